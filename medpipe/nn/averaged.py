"""Several networks as one: the mean of their logits, which errs less than each of them.

While they are trained, each learns from its own share of a batch; the shares are drawn anew in each
epoch. If all learned from their mean, they would learn to mend one another's faults, and the mean
would be no better than one of them. So with M members an epoch teaches each of them 1/M of the
rows: what one network learns in E epochs of batches of B rows, M learn in M · E epochs of M · B.

References
----------
Hansen, Salamon 1990, Neural network ensembles, IEEE TPAMI 12:993–1001; Lakshminarayanan et al.
2017, NeurIPS, arXiv:1612.01474 (other random starts and orders of the rows are variety enough).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def averaged(make: Callable[[], nn.Module], *, members: int) -> nn.Module:
    """What `make` gives, or the mean of so many `members` of its kind."""
    made = [make() for _ in range(members)]
    return made[0] if members == 1 else Averaged(made)


class Averaged(nn.Module):
    """The mean logit of `members`, which have the same inputs and outputs.

    Each member's ``forward`` is ``classify(features(…))``.
    """

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits (B, outputs); in training, of each row those of the member that learns from it.

        A batch of fewer rows than members teaches their mean.
        """
        count = len(self.members)
        if not self.training or len(inputs[0]) < count:
            return torch.stack([member(*inputs) for member in self.members]).mean(0)
        shares = zip(*(x.tensor_split(count) for x in inputs), strict=True)
        return torch.cat([m(*share) for m, share in zip(self.members, shares, strict=True)])

    def features(self, *inputs: Tensor) -> Tensor:
        """Those of all members, side by side: (B, members · F)."""
        return torch.cat([m.features(*inputs) for m in self.members], 1)  # type: ignore[operator]

    def classify(self, features: Tensor) -> Tensor:
        """The mean logit (B, outputs) of `features`."""
        parts = zip(self.members, features.chunk(len(self.members), dim=1), strict=True)
        logits = [member.classify(part) for member, part in parts]  # type: ignore[operator]
        return torch.stack(logits).mean(0)
