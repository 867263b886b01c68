"""Random changes of a training batch of radiographs, for the whole batch at once on its device.

Every draw comes from torch's own generator of that device, which the learner seeds for each step,
so a resumed training sees the same changes as one that was never interrupted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from medpipe.nn.params import AugmentParams

_WHITE = 255.0


class RadiographAugment(nn.Module):
    """One affine resampling, then brightness and contrast, noise, and an erased square.

    Takes (B, C, S, S) in 0…255, uint8 or float, and gives float32 in 0…255, which the networks'
    first layer accepts as it accepts uint8; the batch itself, untouched, where every change is off.
    What comes in from outside the image is black, like the collimated border of a radiograph.
    """

    def __init__(self, params: AugmentParams) -> None:
        super().__init__()
        self.params = params
        self.moves = bool(
            params.rotate_deg or params.shift_share or params.scale_share or params.flip
        )

    def forward(self, x: Tensor) -> Tensor:
        """Changed images of the shape of `x`; each image by its own draw."""
        p = self.params
        if not (self.moves or p.brightness or p.contrast or p.noise or p.erase_share):
            return x
        x = x.float()
        if self.moves:
            grid = functional.affine_grid(self._affine(x), list(x.shape), align_corners=False)
            x = functional.grid_sample(x, grid, padding_mode="zeros", align_corners=False)
        if p.brightness or p.contrast:
            gain = 1 + p.contrast * _signed(x, 1)
            middle = _WHITE / 2
            x = (x - middle) * gain + middle + _WHITE * p.brightness * _signed(x, 1)
        if p.noise:
            x = x + _WHITE * p.noise * torch.randn_like(x)
        if p.erase_share:
            x = x.masked_fill(self._erased(x), 0.0)
        return x.clamp(0, _WHITE)

    def _affine(self, x: Tensor) -> Tensor:
        """Output to input coordinates, (B, 2, 3), in half sides of the image."""
        p, rows = self.params, x.shape[0]
        angle = math.radians(p.rotate_deg) * _signed(x, 1).view(rows)
        zoom = 1 + p.scale_share * _signed(x, 1).view(rows)
        shift = 2 * p.shift_share * _signed(x, 2).view(rows, 2)
        mirror = torch.ones_like(angle)
        if p.flip:
            mirror = mirror - 2 * torch.randint_like(angle, 2)
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        linear = torch.stack([cos * mirror, -sin, sin * mirror, cos], dim=1).view(rows, 2, 2)
        return torch.cat([linear, shift[:, :, None]], dim=2)

    def _erased(self, x: Tensor) -> Tensor:
        """True inside one square of each image, (B, 1, S, S); the square lies wholly inside."""
        side = x.shape[-1]
        length = round(side * self.params.erase_share)
        corner = (torch.rand(x.shape[0], 2, device=x.device) * (side - length + 1)).long()
        at = torch.arange(side, device=x.device)
        inside = (at >= corner[:, :, None]) & (at < corner[:, :, None] + length)  # (B, 2, S)
        return (inside[:, 0, :, None] & inside[:, 1, None, :]).unsqueeze(1)


def _signed(x: Tensor, count: int) -> Tensor:
    """Uniform in −1…1, `count` for each image, on its device: (B, count, 1, 1)."""
    return torch.rand(x.shape[0], count, 1, 1, device=x.device) * 2 - 1
