"""Encoder of series with attention between hours.

References
----------
Vaswani et al. 2017, NeurIPS; layers normalise first (Xiong et al. 2020, ICML), which needs no
warm-up of the learning rate.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.nn.measured import carried
from medpipe.nn.params import SeriesModel

_INNER_PER_HIDDEN = 2


class SeriesTransformer(nn.Module):
    """Hours as tokens; those in which nothing was measured are masked.

    A token of its own gathers the answer, so that there is something to attend to in an empty stay.
    """

    def __init__(self, params: SeriesModel, *, variables: int, hours: int) -> None:
        super().__init__()
        self.embed = nn.Linear(3 * variables, params.hidden)
        self.place = nn.Parameter(0.02 * torch.randn(hours + 1, params.hidden))
        # One by one: nn.TransformerEncoder makes copies, which start with the same weights.
        self.blocks = nn.ModuleList(_block(params) for _ in range(params.layers))
        self.norm = nn.LayerNorm(params.hidden)

    def forward(self, values: Tensor, known: Tensor) -> Tensor:
        """What the gathering token holds (B, hidden), of `values` and `known` (B, T, V)."""
        held, since = carried(values, known)
        tokens = self.embed(torch.cat([held, known, since], dim=2))  # (B, T, hidden)
        first = torch.zeros_like(tokens[:, :1])
        tokens = torch.cat([first, tokens], dim=1) + self.place
        empty = torch.cat([torch.ones_like(known[:, :1, 0]), known.amax(2)], dim=1) == 0
        for block in self.blocks:
            tokens = block(tokens, src_key_padding_mask=empty)
        gathered: Tensor = self.norm(tokens[:, 0])
        return gathered


def _block(params: SeriesModel) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        params.hidden,
        params.heads,
        dim_feedforward=_INNER_PER_HIDDEN * params.hidden,
        dropout=params.dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
