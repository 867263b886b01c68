"""Networks for irregular series on a grid of hours, with descriptors that do not change.

An encoder reads the hours; beside it a layer reads a summary of each series, which is what trees
are good at. Their logits are added. Several such networks may be averaged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medpipe.nn.averaged import averaged
from medpipe.nn.measured import LEVELS, STEPS, SUMMARIES, stepped, summarised
from medpipe.nn.params import SeriesModel
from medpipe.nn.recurrent import DecayingGRU, Recurrent
from medpipe.nn.series_attention import SeriesTransformer
from medpipe.nn.tcn import TCN

_FAR = 5.0
"""Standard deviations from the mean; how much farther a value is says no more."""


def build(params: SeriesModel, *, variables: int, descriptors: int, hours: int) -> nn.Module:
    """See `medpipe.nn.build_series`."""

    def member() -> nn.Module:
        return SeriesNetwork(params, variables=variables, descriptors=descriptors, hours=hours)

    return averaged(member, members=params.members)


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
