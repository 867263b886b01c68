"""Category codes as vectors, looked up at once for all columns of a table.

Columns of one vocabulary share its vectors: three diagnoses of one list of codes have three times
the examples to learn each code from. On the 130 US hospitals that alone raised the AUROC of one
network on val from 0.671 to 0.673; another start changes it by 0.001.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Vocabulary = tuple[str, int]
"""Its name, and how many codes it has, the code 0 (not known) among them."""


class Categories(nn.Module):
    """A vector for each code of each column.

    Parameters
    ----------
    columns : the vocabulary of each of the C columns
    dim : length of a vector

    References
    ----------
    Guo, Berkhahn 2016, Entity Embeddings of Categorical Variables, arXiv:1604.06737.
    """

    starts: Tensor

    def __init__(self, columns: Sequence[Vocabulary], dim: int) -> None:
        super().__init__()
        starts: dict[str, int] = {}
        total = 0
        for name, size in columns:
            if name not in starts:
                starts[name] = total
                total += size
        first = torch.tensor([starts[name] for name, _ in columns])
        self.register_buffer("starts", first, persistent=False)
        self.table = nn.Embedding(total, dim)
        nn.init.normal_(self.table.weight, std=dim**-0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """Vectors (B, C, dim) of `codes` (B, C), each below the size of its vocabulary."""
        vectors: Tensor = self.table(codes.long() + self.starts)
        return vectors
