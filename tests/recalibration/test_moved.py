"""Whom a model flags, and what it calls possible, once its risks are corrected."""

import numpy as np
import pytest

from medpipe.objectives.binary import Binary, OperatingPoint
from medpipe.recalibration.fit import Correction
from medpipe.recalibration.moved import logits, moved, risk

POINT = OperatingPoint(2.0, 0.3, coverage=0.9, least=(0.25, 0.15), intercept=0.1)


def said(point, given):
    found = [Binary().answer(each, point) for each in given]
    return [(one["decision"], one["possible"]["outcomes"]) for one in found]


@pytest.mark.parametrize("correction", [Correction(0.8, 1.0), Correction(-1.1, 0.6)])
def test_nobody_is_flagged_otherwise_and_the_same_is_possible(correction):
    given = np.random.default_rng(0).normal(0, 3, 2000).astype(np.float32)
    # Limits that were chosen among answers, as evaluate chooses them, so that some stand right on.
    risks = risk(POINT)(given)
    point = OperatingPoint(2.0, float(risks[7]), 0.9, (float(1 - risks[8]), float(risks[9])), 0.1)
    after = moved(point, correction, keeps_risk=False)
    assert said(after, given) == said(point, given)
    assert np.abs(risk(after)(given) - risks).max() > 0.1


def test_the_new_risk_is_the_line_on_the_logit_of_the_old_one():
    after = moved(POINT, Correction(0.8, 0.5), keeps_risk=False)
    odds = np.exp(3.0 / 2.0 + 0.1)  # of a logit of 3
    assert risk(after)(np.float64(3.0)) == pytest.approx(1 / (1 + 1 / (np.exp(0.8) * odds**0.5)))


def test_a_threshold_that_was_set_as_a_risk_stays_one():
    after = moved(POINT, Correction(0.8, 1.0), keeps_risk=True)
    assert after.threshold == 0.3
    assert after.least != POINT.least


def test_what_is_always_possible_stays_so():
    bare = OperatingPoint(1.0, 0.5)
    assert moved(bare, Correction(2.0, 1.0), keeps_risk=False).least == (0.0, 0.0)


def test_a_recalibration_of_a_recalibration_is_one_line():
    once = moved(POINT, Correction(0.5, 0.8), keeps_risk=False)
    twice = moved(once, Correction(-0.2, 1.5), keeps_risk=False)
    at_once = moved(POINT, Correction(-0.2 + 1.5 * 0.5, 1.2), keeps_risk=False)
    assert (twice.temperature, twice.intercept) == pytest.approx(
        (at_once.temperature, at_once.intercept)
    )
    assert twice.threshold == pytest.approx(at_once.threshold)


def test_a_logit_is_found_again_from_its_risk():
    given = np.array([-700.0, -3.0, 0.0, 0.5, 30.0])
    assert logits(risk(POINT)(given), POINT) == pytest.approx(given, rel=1e-6, abs=1e-6)
