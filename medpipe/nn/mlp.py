"""A table through dense layers, with a vector for each category, and a sum over fields beside them.

The sum gives every number a slope and every category an effect of its own, as a regression does;
the layers learn what it leaves over, and may be narrow.

References
----------
Cheng et al. 2016, Wide & Deep Learning for Recommender Systems, arXiv:1606.07792.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medpipe.nn.categories import Categories, Vocabulary
from medpipe.nn.params import TableModel

_AFTER = 2
"""What follows a linear layer: ReLU and dropout."""


class Mlp(nn.Module):
    """Numbers, what is known of them, and embedded categories, through the layers and in a sum."""

    def __init__(
        self, params: TableModel, *, numbers: int, categories: Sequence[Vocabulary], outputs: int
    ) -> None:
        super().__init__()
        self.categories = Categories(categories, params.embedding)
        before = 2 * numbers + len(categories) * params.embedding
        layers: list[nn.Module] = []
        for _ in range(params.layers):
            layers += [nn.Linear(before, params.width), nn.ReLU(), nn.Dropout(params.dropout)]
            before = params.width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, outputs)
        self.slopes = nn.Linear(2 * numbers, outputs, bias=False)
        self.effects = Categories(categories, outputs)
        nn.init.zeros_(self.effects.table.weight)

    def forward(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """Logits (B, outputs); see `medpipe.nn.build_table` for the inputs."""
        return self.classify(self.features(numbers, known, codes))

    def features(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """The last hidden layer before its ReLU, and the sum beside it: (B, width + outputs)."""
        stated = torch.cat([numbers * known, known], 1)  # (B, 2 F)
        vectors = self.categories(codes).flatten(1)  # (B, C · embedding)
        hidden = self.layers[:-_AFTER](torch.cat([stated, vectors], 1))
        return torch.cat([hidden, self.slopes(stated) + self.effects(codes).sum(1)], 1)

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, outputs) of `features`."""
        hidden, wide = features.tensor_split([self.head.in_features], 1)
        logits: Tensor = self.head(self.layers[-_AFTER:](hidden)) + wide
        return logits


def build(
    params: TableModel, *, numbers: int, categories: Sequence[Vocabulary], outputs: int
) -> nn.Module:
    """See `medpipe.nn.build_table`."""
    return Mlp(params, numbers=numbers, categories=categories, outputs=outputs)
