"""Fields hidden at random while a network learns, so that it can answer without them.

A field that every training row states has a value for "not known" that nothing was ever learned
of: a request that leaves it out, and `medpipe.nn.occlusion`, which hides one field after the other,
would get arbitrary answers. Hiding some of them keeps both honest, and the network from leaning on
one field alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Hide(nn.Module):
    """Replaces each part of a row, with probability `share`, by what stands for "not known".

    Parameters
    ----------
    shown, unknown : as of `medpipe.nn.occlusion.Occlusion`
    share : 0…1, of all parts or of each (P,)
    """

    def __init__(
        self, *, shown: tuple[Tensor, ...], unknown: tuple[Tensor, ...], share: float | Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("share", torch.as_tensor(share), persistent=False)
        for number, (mask, value) in enumerate(zip(shown, unknown, strict=True)):
            # One where a part covers a place: the parts hidden there are then a sum.
            covered = (~mask).flatten(1).float()  # (P, places)
            self.register_buffer(f"covered_{number}", covered, persistent=False)
            self.register_buffer(f"unknown_{number}", value, persistent=False)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """`inputs` (B, …), in the same shapes and types."""
        parts = len(self.get_buffer("covered_0"))
        share = self.get_buffer("share")
        drawn = torch.rand(len(inputs[0]), parts, device=share.device) < share
        return tuple(self._hidden(x, drawn.float(), n) for n, x in enumerate(inputs))

    def _hidden(self, x: Tensor, drawn: Tensor, number: int) -> Tensor:
        covered = drawn @ self.get_buffer(f"covered_{number}") > 0  # (B, places)
        return torch.where(covered.view_as(x), self.get_buffer(f"unknown_{number}"), x)
