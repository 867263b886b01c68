"""A table through dense layers, with a vector for each category."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medpipe.nn.categories import Categories, Vocabulary
from medpipe.nn.params import TableModel

_AFTER = 2
"""What follows a linear layer: ReLU and dropout."""


class Mlp(nn.Module):
    """Numbers, what is known of them, and embedded categories, side by side, through the layers."""

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

    def forward(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """Logits (B, outputs); see `medpipe.nn.build_table` for the inputs."""
        return self.classify(self.features(numbers, known, codes))

    def features(self, numbers: Tensor, known: Tensor, codes: Tensor) -> Tensor:
        """The last hidden layer (B, width), before its ReLU."""
        vectors = self.categories(codes).flatten(1)  # (B, C · embedding)
        hidden: Tensor = self.layers[:-_AFTER](torch.cat([numbers * known, known, vectors], 1))
        return hidden

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, outputs) of `features`."""
        logits: Tensor = self.head(self.layers[-_AFTER:](features))
        return logits


def build(
    params: TableModel, *, numbers: int, categories: Sequence[Vocabulary], outputs: int
) -> nn.Module:
    """See `medpipe.nn.build_table`."""
    return Mlp(params, numbers=numbers, categories=categories, outputs=outputs)
