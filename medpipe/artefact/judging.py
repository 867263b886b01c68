"""A network that says how far an example lies from the training data, in torch.

For what is made from torch itself; ONNX files get their distance in `artefact.distance`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.artefact.distance import Cloud


class _Judging(nn.Module):
    def __init__(self, network: nn.Module, cloud: Cloud) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("centre", torch.from_numpy(cloud.centre).float())
        self.register_buffer("whitening", torch.from_numpy(cloud.whitening).float())

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits, _, features = self.network.explain(*inputs)  # type: ignore[operator]
        whitened = (features - self.centre) @ self.whitening
        far = whitened.square().mean(1).sqrt()  # (B,)
        return logits.squeeze(1) if logits.shape[1] == 1 else logits, far


def of(network: nn.Module, cloud: Cloud) -> nn.Module:
    """`network` as logit (B,), or (B, K), and distance (B,) from `cloud`."""
    return _Judging(network, cloud).eval()
