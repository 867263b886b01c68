"""Category codes as vectors: one table for all columns, read once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn


class Categories(nn.Module):
    """A vector for each code of each column.

    Parameters
    ----------
    sizes : how many codes each of the C columns has, the code 0 (not known) among them
    dim : length of a vector

    References
    ----------
    Guo, Berkhahn 2016, Entity Embeddings of Categorical Variables, arXiv:1604.06737.
    """

    starts: Tensor

    def __init__(self, sizes: Sequence[int], dim: int) -> None:
        super().__init__()
        starts = [0, *accumulate(sizes)][:-1]
        self.register_buffer("starts", torch.tensor(starts), persistent=False)
        self.table = nn.Embedding(sum(sizes), dim)
        nn.init.normal_(self.table.weight, std=dim**-0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """Vectors (B, C, dim) of `codes` (B, C), whole numbers, each below its column's size."""
        vectors: Tensor = self.table(codes.long() + self.starts)
        return vectors
