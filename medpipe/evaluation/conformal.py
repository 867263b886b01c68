"""Which outcomes cannot be ruled out for a patient, with a promise of how often that is right.

A nonconformity says how badly an outcome fits an example: of a class, how improbable the model
thinks it; of a quantity, how far it lies from the answer. Of the validation examples that have a
class, the nonconformities are known, and the next patients' are as likely to stand at one place
among them as at another. So a class stays possible up to the nonconformity that `coverage` of them
keep below, and the promise holds for every class by itself (Mondrian): the rare one is not paid for
with the common one. What remains may be one class, several (the model cannot tell) or none (the
example fits no class as well as nearly all of val do).

Patients, not examples, are exchangeable. Each has the same weight, divided among their examples,
and the next patient counts as one more, of whom the worst is assumed (hierarchical conformal
prediction). The promise is of an example drawn from the next patient; with one example per patient
it is ordinary split conformal prediction. Of Dunn's ways, pooling patients holds in the limit only,
and subsampling holds but draws lots; the weights hold for any number of patients and draw none.
With fewer than coverage / (1 − coverage) patients of a class nothing can be promised but what is
always possible, so that class always is.

Val also picked the epoch, the temperature and the threshold, so its nonconformities are a little
too small, and the promise is not exact. A temperature cannot change the order of yes-or-no answers,
nor does the threshold touch the set, so there only the epoch counts; of classes the temperature is
one number fitted to all of val, and a quantity's line is two, which shrink its errors by about two
parts in the number of examples. What all that comes to is not argued but measured on test, and the
gate judges it.

References
----------
Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World (conformal, Mondrian);
Sadinle, Lei & Wasserman 2019, JASA 114:223–234 (sets of classes by their probability, class by
class); Lei et al. 2018, JASA 113:1094–1111 (split conformal prediction of quantities); Dunn,
Wasserman & Ramdas 2023, JASA 118:2491–2502, arXiv:1809.07441 (several examples per group); Lee,
Barber & Willett 2023, arXiv:2306.06342 (hierarchical conformal prediction: the weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.evaluation.intervals import Estimate, wilson
from medpipe.evaluation.sample import Floats
from medpipe.sections import EvaluateParams

METHOD = (
    "hierarchical split conformal sets from the validation patients; every patient counts the "
    "same; Wilson's score interval on the effective number of examples"
)
Groups = NDArray[np.int64]
_ROUNDING = 1e-9
"""Patients by which a sum of shares of patients may miss a whole number."""


@dataclass(frozen=True)
class Outcomes:
    """What could be true of M examples, and what is.

    Parameters
    ----------
    names : of the K outcomes
    shares : (M, K), the probability of each
    truth : (M,), number of the one that is true
    groups : (M,)
    """

    names: tuple[str, ...]
    shares: Floats
    truth: NDArray[np.int64]
    groups: Groups


def quantile(nonconformity: Floats, groups: Groups, *, coverage: float) -> float:
    """What the next patient's nonconformity does not exceed, with probability `coverage`.

    Parameters
    ----------
    nonconformity, groups : (N,) each, of examples of other patients

    Returns
    -------
    One of `nonconformity`; infinity where there are too few patients to say
    """
    order = np.argsort(nonconformity, kind="stable")
    weights, patients = _weights(groups)
    reached = np.cumsum(weights[order]) >= coverage * (patients + 1) - _ROUNDING
    return float(nonconformity[order][reached.argmax()]) if reached.any() else float("inf")


def least(outcomes: Outcomes, *, coverage: float) -> tuple[float, ...]:
    """The probability from which each of the K outcomes is possible; 0 where it always is."""
    found = []
    for outcome, shares in enumerate(outcomes.shares.T):
        have = outcomes.truth == outcome
        worst = quantile(-shares[have], outcomes.groups[have], coverage=coverage)
        found.append(max(0.0, -worst))
    return tuple(found)


def joined(each: Sequence[Outcomes]) -> Outcomes:
    """Several questions about the same patients, one below the other."""
    shares, truth, groups = (
        np.concatenate(parts)
        for parts in zip(*((one.shares, one.truth, one.groups) for one in each), strict=True)
    )
    return Outcomes(each[0].names, shares, truth, groups)


def measured(
    outcomes: Outcomes, lowest: Sequence[float] | Floats, params: EvaluateParams
) -> dict[str, Any]:
    """How the sets did, every patient counting the same: `sets` of a split in report.json.

    Parameters
    ----------
    lowest : what `least` gave, (K,) or (M, K)

    Returns
    -------
    {coverage, outcomes: {name: coverage among those who have it}, sizes: {one, several, none}}, an
    estimate each
    """
    held = outcomes.shares >= np.asarray(lowest)  # (M, K)
    right, size = held[np.arange(len(held)), outcomes.truth], held.sum(axis=1)
    sizes = {"one": size == 1, "several": size > 1, "none": size == 0}
    return {
        "coverage": share(right, outcomes.groups, params).as_json(),
        "outcomes": {
            name: share(right[have], outcomes.groups[have], params).as_json()
            for number, name in enumerate(outcomes.names)
            for have in [outcomes.truth == number]
        },
        "sizes": {
            name: share(each, outcomes.groups, params).as_json() for name, each in sizes.items()
        },
    }


def share(hits: NDArray[np.bool_], groups: Groups, params: EvaluateParams) -> Estimate:
    """The share of `hits` (N,), every patient counting the same.

    Its interval is Wilson's on the number of examples that would vary as much if each were another
    patient's; where nothing varies that is the number of patients.
    """
    if not len(hits):
        return Estimate(None, undefined="no example to take the share of")
    weights, patients = _weights(groups)
    of_patient = np.bincount(np.unique(groups, return_inverse=True)[1], weights * hits)
    value = float(of_patient.mean())
    spread = value * (1 - value)
    clustered = float(np.square(of_patient - value).mean()) / patients
    if spread < _ROUNDING:
        value, independent = float(round(value)), float(patients)
    else:
        independent = spread / max(clustered, spread / len(hits))
    return Estimate(value, *wilson(value, independent, confidence=params.confidence))


def _weights(groups: Groups) -> tuple[Floats, int]:
    """What each example (N,) is of its patient, 1 over their number of examples; and patients."""
    _, place, count = np.unique(groups, return_inverse=True, return_counts=True)
    return 1 / count[place], len(count)
