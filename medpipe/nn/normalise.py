"""Pixels to what a network likes, as the first layer of the graph.

So arrays, uploads and the ONNX input stay uint8, and mean and std travel with the weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medpipe.errors import ParamsError


class Normalise(nn.Module):
    """(x − mean) / std, for pixels in 0…255.

    Parameters
    ----------
    mean, std : in 0…255, one number or one per channel

    Raises
    ------
    ParamsError : another number of values than channels, or a std that is not above 0
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, channels: int, *, mean: float | Sequence[float], std: float | Sequence[float]
    ) -> None:
        super().__init__()
        centre, spread = _per_channel(mean, channels), _per_channel(std, channels)
        if not (spread > 0).all():
            raise ParamsError(
                f"the training pixels have standard deviation {std}, which must be above 0; are "
                "all training images blank?"
            )
        self.register_buffer("scale", (1 / spread)[:, None, None])  # (C, 1, 1)
        self.register_buffer("shift", (-centre / spread)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Float of the shape of `x`, (B, C, H, W)."""
        return x.float() * self.scale + self.shift


def _per_channel(value: float | Sequence[float], channels: int) -> Tensor:
    given = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
    if len(given) not in (1, channels):
        raise ParamsError(
            f"{len(given)} values of mean or std for {channels} channels: give 1 or all"
        )
    return given.expand(channels).clone()
