"""Networks for irregular series on a grid of hours, with descriptors that do not change.

An encoder reads the hours; beside it a layer reads a summary of each series, which is what trees
are good at. Their logits are added. Several such networks may be averaged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.nn.measured import LEVELS, STEPS, SUMMARIES, stepped, summarised
from medpipe.nn.params import SeriesModel
from medpipe.nn.recurrent import DecayingGRU, Recurrent
from medpipe.nn.series_attention import SeriesTransformer
from medpipe.nn.tcn import TCN

_FAR = 5.0
"""Standard deviations from the mean; how much farther a value is says no more."""


def build(params: SeriesModel, *, variables: int, descriptors: int, hours: int) -> nn.Module:
    """See `medpipe.nn.build_series`."""
    members = [
        SeriesNetwork(params, variables=variables, descriptors=descriptors, hours=hours)
        for _ in range(params.members)
    ]
    return members[0] if len(members) == 1 else Averaged(members)


class SeriesNetwork(nn.Module):
    """Encoder and summary, each with a linear head."""

    def __init__(
        self, params: SeriesModel, *, variables: int, descriptors: int, hours: int
    ) -> None:
        super().__init__()
        self.encoder = _encoder(params, variables=variables, hours=hours)
        self.dropout = nn.Dropout(params.dropout)
        self.head = nn.Linear(params.hidden + descriptors, 1)
        self.summary = (
            Summary(params, features=(SUMMARIES + LEVELS * STEPS) * variables + descriptors)
            if params.summary
            else None
        )

    def forward(self, descriptors: Tensor, measured: Tensor, values: Tensor) -> Tensor:
        """Logits (B, 1); see `medpipe.nn.build_series`."""
        return self.classify(self.features(descriptors, measured, values))

    def features(self, descriptors: Tensor, measured: Tensor, values: Tensor) -> Tensor:
        """What encoder, descriptors, and the summary's layer before its GELU say, side by side."""
        known = measured.to(values.dtype)
        values = values.clamp(-_FAR, _FAR)
        parts = [self.dropout(self.encoder(values, known)), descriptors]
        if self.summary is not None:
            said = summarised(values, known)
            levels = LEVELS * values.shape[2]
            steps = stepped(said[:, :levels], known.amax(1).repeat(1, LEVELS))
            parts.append(self.summary.features(torch.cat([said, steps, descriptors], dim=1)))
        return torch.cat(parts, dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, 1) of `features`."""
        width = self.head.in_features
        logits: Tensor = self.head(features[:, :width])
        if self.summary is not None:
            logits = logits + self.summary.classify(features[:, width:])
        return logits


class Summary(nn.Module):
    """Logit of the summaries: what each says alone, and what they say together."""

    def __init__(self, params: SeriesModel, *, features: int) -> None:
        super().__init__()
        self.alone = nn.Sequential(nn.Dropout(params.dropout), nn.Linear(features, 1))
        self.together = nn.Sequential(
            nn.Dropout(params.dropout), nn.Linear(features, params.summary)
        )
        self.last = nn.Sequential(
            nn.GELU(), nn.Dropout(params.dropout), nn.Linear(params.summary, 1)
        )

    def features(self, x: Tensor) -> Tensor:
        """What `x` (B, features) says alone, (B, 1), and together before the GELU, side by side."""
        return torch.cat([self.alone(x), self.together(x)], dim=1)

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, 1) of `features`."""
        logits: Tensor = features[:, :1] + self.last(features[:, 1:])
        return logits


class Averaged(nn.Module):
    """The mean logit of several networks.

    While they are trained, each learns from its own share of a batch; the shares are drawn anew in
    each epoch. If all learned from their mean, they would learn to mend one another's faults, and
    the mean would be no better than one of them.
    """

    def __init__(self, members: list[SeriesNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, descriptors: Tensor, measured: Tensor, values: Tensor) -> Tensor:
        """Logits (B, 1); see `medpipe.nn.build_series`."""
        count = len(self.members)
        if not self.training or len(values) < count:
            logits = [member(descriptors, measured, values) for member in self.members]
            return torch.stack(logits).mean(0)
        shares = zip(*(x.tensor_split(count) for x in (descriptors, measured, values)), strict=True)
        return torch.cat([m(*share) for m, share in zip(self.members, shares, strict=True)])

    def features(self, descriptors: Tensor, measured: Tensor, values: Tensor) -> Tensor:
        """Those of all members, side by side."""
        x = (descriptors, measured, values)
        return torch.cat([m.features(*x) for m in self.members], 1)  # type: ignore[operator]

    def classify(self, features: Tensor) -> Tensor:
        """The mean logit (B, 1) of `features`."""
        parts = zip(self.members, features.chunk(len(self.members), dim=1), strict=True)
        logits = [member.classify(part) for member, part in parts]  # type: ignore[operator]
        return torch.stack(logits).mean(0)


def _encoder(params: SeriesModel, *, variables: int, hours: int) -> nn.Module:
    match params.architecture:
        case "gru" | "lstm":
            return Recurrent(params, variables=variables)
        case "gru_d":
            return DecayingGRU(params, variables=variables)
        case "transformer":
            return SeriesTransformer(params, variables=variables, hours=hours)
        case "tcn":
            return TCN(params, variables=variables)
