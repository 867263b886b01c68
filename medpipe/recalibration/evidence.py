"""A correction fitted to earlier answers, and what it does on later ones.

What is judged is what is released: the line is not fitted again to all answers afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from medpipe.evaluation import intervals, metrics
from medpipe.evaluation.intervals import Estimate
from medpipe.evaluation.sample import Floats, Sample
from medpipe.objectives.binary import OperatingPoint
from medpipe.recalibration import change
from medpipe.recalibration import fit as fitting
from medpipe.recalibration.fit import NONE, Correction
from medpipe.recalibration.known import Known
from medpipe.recalibration.moved import logits, moved, risk
from medpipe.sections import EvaluateParams

FITTED = 2 / 3
"""Share of the answers, the earlier ones, that the line is fitted to."""
Figures = Mapping[str, Mapping[str, Any]]
"""Metric → {value, low, high}: those of a report, observed_expected and log_loss."""


@dataclass(frozen=True)
class Part:
    """Some answers whose outcome is known; `since` and `until` are their days."""

    since: str
    until: str
    answers: int
    cases: int

    @classmethod
    def of(cls, known: Known) -> Part:
        """That of `known`; without days where it is empty."""
        days = [str(at)[:10] for at in (*known.at[:1], *known.at[-1:])] or ["", ""]
        return cls(days[0], days[-1], len(known), known.cases)

    @property
    def rarer(self) -> int:
        """The fewer of those with and without the outcome."""
        return min(self.cases, self.answers - self.cases)


@dataclass(frozen=True)
class Evidence:
    """What is known of a correction before it is decided on.

    Parameters
    ----------
    answered : answers in the time looked at; None where nobody counted them
    left_out : those whose outcome is known and that are older than the last change
    p_any, p_slope : see `fit.Fitted`
    keeps_risk : see `moved`
    before, after : figures of the later answers, as they were given and corrected; none where there
        are too few to fit to
    gain : metric → after − before, paired by answer
    changed : later answers that would be flagged otherwise
    promised : AUROC of the champion's report
    """

    answered: int | None
    left_out: int
    fitted: Part
    judged: Part
    keeps_risk: bool
    correction: Correction = NONE
    p_any: float = 1.0
    p_slope: float = 1.0
    before: Figures = field(default_factory=dict)
    after: Figures = field(default_factory=dict)
    gain: Figures = field(default_factory=dict)
    changed: int = 0
    promised: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Its fields; `read` reads them."""
        return asdict(self)

    @classmethod
    def read(cls, held: Mapping[str, Any]) -> Evidence:
        """What `as_json` gave."""
        parts: dict[str, Any] = {name: Part(**held[name]) for name in ("fitted", "judged")}
        return cls(**{**held, **parts, "correction": Correction(**held["correction"])})


def weigh(
    known: Known,
    point: OperatingPoint,
    params: EvaluateParams,
    *,
    cases_least: int,
    keeps_risk: bool,
    promised: Mapping[str, Any],
) -> Evidence:
    """What `known` says of the risks at `point`.

    Parameters
    ----------
    cases_least : with the outcome, and without it, in each part before anything is fitted
    promised : AUROC of the champion's report
    """
    given = logits(known.risks, point)
    start = change.last(point.calibrated(given), known.outcomes)
    recent, given = known[start:], given[start:]
    at = round(len(recent) * FITTED)
    earlier, later = recent[:at], recent[at:]
    evidence = Evidence(
        known.answered, start, Part.of(earlier), Part.of(later), keeps_risk, promised=promised
    )
    if min(earlier.rarer, later.rarer) < cases_least:
        return evidence
    found = fitting.fit(point.calibrated(given[:at]), earlier.outcomes)
    after = moved(point, found.correction, keeps_risk=keeps_risk)
    figures = [_figures(later, given[at:], each, params) for each in (point, after)]
    flagged = [risk(each)(given[at:]) >= each.threshold for each in (point, after)]
    return Evidence(
        **{
            **vars(evidence),
            "correction": found.correction,
            "p_any": found.p_any,
            "p_slope": found.p_slope,
            "before": figures[0],
            "after": figures[1],
            "gain": _gain(later, given[at:], (point, after), params),
            "changed": int((flagged[0] != flagged[1]).sum()),
        }
    )


def _figures(
    known: Known, given: Floats, point: OperatingPoint, params: EvaluateParams
) -> dict[str, dict[str, Any]]:
    risks = risk(point)(given)
    sample = Sample.of(known.outcomes.astype(int), risks, np.arange(len(known)))
    measured = metrics.measure(
        sample,
        at=point.threshold,
        confidence=params.confidence,
        resamples=params.resamples,
        seed=params.seed,
    )
    observed = known.cases / len(known)
    low, high = intervals.wilson(observed, len(known), confidence=params.confidence)
    expected = float(risks.mean())
    ratio = Estimate(observed / expected, low / expected, high / expected)
    losses = _mean(_losses(known, given, point)["log_loss"], params)
    return {**measured, "observed_expected": ratio.as_json(), "log_loss": losses}


def _gain(
    known: Known,
    given: Floats,
    points: tuple[OperatingPoint, OperatingPoint],
    params: EvaluateParams,
) -> dict[str, dict[str, Any]]:
    before, after = (_losses(known, given, point) for point in points)
    return {name: _mean(after[name] - before[name], params) for name in after}


def _losses(known: Known, given: Floats, point: OperatingPoint) -> dict[str, Floats]:
    """How far each answer is from what happened, (N,) each."""
    scores, happened = point.calibrated(given), known.outcomes
    return {
        "log_loss": np.logaddexp(0, scores) - happened * scores,
        "brier": (risk(point)(given) - happened) ** 2,
    }


def _mean(values: Floats, params: EvaluateParams) -> dict[str, Any]:
    value, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    reach = intervals.z_score(params.confidence) * error
    return Estimate(value, value - reach, value + reach).as_json()
