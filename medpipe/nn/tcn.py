"""Encoder of series with convolutions over time that see the past only.

References
----------
Bai, Kolter, Koltun 2018, arXiv:1803.01271 (layer norm instead of weight norm: it exports).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medpipe.nn.measured import carried
from medpipe.nn.params import SeriesModel


class TCN(nn.Module):
    """Residual blocks of dilated causal convolutions; each doubles how far back it sees."""

    def __init__(self, params: SeriesModel, *, variables: int) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * variables, params.hidden)
        self.blocks = nn.ModuleList(
            _Block(params, dilation=2**depth) for depth in range(params.layers)
        )

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """The last hour's features (B, hidden), of `values` and `known` (B, T, V)."""
        held, since = carried(values, known)
        x = self.embed(torch.cat([held, known, since], dim=2))
        for block in self.blocks:
            x = block(x)
        last: Tensor = x[:, -1]
        return last


class _Block(nn.Module):
    """Norm, convolution, ReLU, dropout, beside a shortcut; (B, T, hidden) to the same."""

    def __init__(self, params: SeriesModel, *, dilation: int) -> None:
        super().__init__()
        self.before = (params.kernel - 1) * dilation
        self.norm = nn.LayerNorm(params.hidden)
        self.convolution = nn.Conv1d(params.hidden, params.hidden, params.kernel, dilation=dilation)
        self.dropout = nn.Dropout(params.dropout)

    def forward(self, x: Tensor) -> Tensor:
        past = functional.pad(self.norm(x).transpose(1, 2), (self.before, 0))  # (B, hidden, T + …)
        found: Tensor = self.dropout(self.convolution(past).relu()).transpose(1, 2)
        return x + found
