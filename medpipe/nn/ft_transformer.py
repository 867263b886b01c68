"""FT-Transformer: every field of a table becomes a token, and attention mixes them.

References
----------
Gorishniy, Rubachev, Khrulkov, Babenko 2021, Revisiting Deep Learning Models for Tabular Data,
NeurIPS, arXiv:2106.11959. As there: layers are normalised before they act, the very first one is
not; the feed-forward part is a ReGLU; the answer is read off the [CLS] token. A number that is not
known has a vector of its own instead of a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from medpipe.nn.categories import Categories, Vocabulary
from medpipe.nn.params import TableModel

_FFN_PER_DIM = 4 / 3
"""Width of a block's inner layer, as published for ReGLU."""


class Tokens(nn.Module):
    """Fields as vectors, [CLS] first: (B, 1 + F + C, dim)."""

    def __init__(self, *, numbers: int, categories: Sequence[Vocabulary], dim: int) -> None:
        super().__init__()
        self.categories = Categories(categories, dim)
        self.slope = nn.Parameter(torch.empty(numbers, dim))
        self.absent = nn.Parameter(torch.empty(numbers, dim))
        self.bias = nn.Parameter(torch.empty(numbers + len(categories), dim))
        self.cls = nn.Parameter(torch.empty(1, 1, dim))
        for weight in (self.slope, self.absent, self.bias, self.cls):
            nn.init.uniform_(weight, -(dim**-0.5), dim**-0.5)

    def forward(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        there = known[:, :, None]
        valued = there * numbers[:, :, None] * self.slope + (1 - there) * self.absent
        fields = torch.cat([valued, self.categories(codes)], 1) + self.bias  # (B, F + C, dim)
        # shape[0] and not len(), which would fix the batch in the exported graph
        return torch.cat([self.cls.expand(fields.shape[0], -1, -1), fields], 1)


class Block(nn.Module):
    """Attention, then feed-forward, each added to what came in."""

    def __init__(self, params: TableModel, *, first: bool) -> None:
        super().__init__()
        dim, inner = params.dim, round(params.dim * _FFN_PER_DIM)
        self.heads, self.dropout = params.heads, params.dropout
        self.before = nn.Identity() if first else nn.LayerNorm(dim)
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.value, self.mixed = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.between = nn.LayerNorm(dim)
        self.gated = nn.Linear(dim, 2 * inner)
        self.out = nn.Linear(inner, dim)

    def forward(self, tokens: Tensor, asked: Tensor) -> Tensor:
        """`asked` (B, Q, dim), those of `tokens` (B, T, dim) whose next value is wanted."""
        q, k, v = (
            self._split(layer(self.before(x)))
            for layer, x in ((self.query, asked), (self.key, tokens), (self.value, tokens))
        )
        share = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(q, k, v, dropout_p=share)
        asked = asked + self.mixed(seen.transpose(1, 2).flatten(2))  # (B, Q, dim)
        inner, gate = self.gated(self.between(asked)).chunk(2, -1)
        inner = functional.dropout(inner * gate.relu(), self.dropout, self.training)
        result: Tensor = asked + self.out(inner)
        return result

    def _split(self, x: Tensor) -> Tensor:
        parts = x.view(x.shape[0], x.shape[1], self.heads, -1)
        return parts.transpose(1, 2)  # (B, heads, T, dim / heads)


class FTTransformer(nn.Module):
    """Tokens, blocks, and one linear layer on [CLS]."""

    def __init__(
        self, params: TableModel, *, numbers: int, categories: Sequence[Vocabulary], outputs: int
    ) -> None:
        super().__init__()
        self.tokens = Tokens(numbers=numbers, categories=categories, dim=params.dim)
        self.blocks = nn.ModuleList(Block(params, first=n == 0) for n in range(params.layers))
        self.norm = nn.LayerNorm(params.dim)
        self.head = nn.Linear(params.dim, outputs)

    def forward(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """Logits (B, outputs); see `medpipe.nn.build_table` for the inputs."""
        return self.classify(self.features(numbers, known, codes))

    def features(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """What [CLS] has gathered (B, dim), before its ReLU."""
        tokens = self.tokens(numbers, known, codes)
        for number, block in enumerate(self.blocks, start=1):
            # Of the last block only [CLS] is read.
            asked = tokens if number < len(self.blocks) else tokens[:, :1]
            tokens = block(tokens, asked)
        gathered: Tensor = self.norm(tokens[:, 0])
        return gathered

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, outputs) of `features`."""
        logits: Tensor = self.head(features.relu())
        return logits


def build(
    params: TableModel, *, numbers: int, categories: Sequence[Vocabulary], outputs: int
) -> nn.Module:
    """See `medpipe.nn.build_table`."""
    return FTTransformer(params, numbers=numbers, categories=categories, outputs=outputs)
