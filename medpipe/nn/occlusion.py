"""A network that explains itself by what its logit would be without each part of its input.

The parts are hidden inside the exported graph, so that the served file itself says what moved its
answer, and the service needs no second implementation. The effect of a part is the logit with
everything, less the logit with that part replaced by what stands for "not known".

References
----------
Zeiler, Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV (occlusion).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Occlusion(nn.Module):
    """`network` with an `explain` that hides one part after the other.

    Parameters
    ----------
    network : `features(*inputs)` gives (B, F), and `classify` of these the logits (B, 1)
    shown : for each input (B, …), in the order of the arguments, bool (P, …): False where part p
        is hidden
    unknown : for each input, (…) or a scalar: what stands for "not known"; of the input's dtype
    shape : of the map of one example; its product is P
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        shown: tuple[Tensor, ...],
        unknown: tuple[Tensor, ...],
        shape: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.network = network
        self.shape = shape
        for number, (mask, value) in enumerate(zip(shown, unknown, strict=True)):
            # Derived from the shapes alone: weights files do not carry them.
            self.register_buffer(f"shown_{number}", mask, persistent=False)
            self.register_buffer(f"unknown_{number}", value, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (B, 1)."""
        logits: Tensor = self.network(*inputs)
        return logits

    def explain(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, 1), the effect of each part on them (B, *shape), and features (B, F)."""
        features: Tensor = self.network.features(*inputs)  # type: ignore[operator]
        logits: Tensor = self.network.classify(features)  # type: ignore[operator]
        hidden = [
            torch.where(self._buffer("shown", n), x[:, None], self._buffer("unknown", n))
            for n, x in enumerate(inputs)
        ]  # (B, P, …) each
        without = self(*(x.flatten(0, 1) for x in hidden))  # (B · P, 1)
        effects = logits - without.reshape(-1, hidden[0].shape[1])  # (B, P)
        return logits, effects.reshape(-1, *self.shape), features

    def _buffer(self, name: str, number: int) -> Tensor:
        return self.get_buffer(f"{name}_{number}")
