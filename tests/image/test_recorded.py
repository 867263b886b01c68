"""How an answer is held against the record."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from medpipe.errors import CertificateError
from medpipe.image.recorded import LIMIT, HeldBack, compare, difference

SAID = {"risk": 0.25, "decision": False, "possible": {"outcomes": ["negative"], "coverage": 0.9}}
RELEASE = SimpleNamespace(certificate_sha256="a" * 64)


def answer(**changes):
    """What a started image says, with more than the model alone decides."""
    return {**SAID, "answer_id": "x", "certificate_sha256": "a" * 64, **changes}


@pytest.mark.parametrize(
    ("expected", "found", "apart"),
    [
        (0.25, 0.5, 0.25),
        (200.0, 201.0, 0.005),  # of a large number the part of itself
        ({"a": [0.5, 0.75]}, {"a": [0.5, 0.5], "more": 1}, 0.25),
        ({"a": 1.0}, {}, math.inf),
        ([1.0], [1.0, 2.0], math.inf),
        ("negative", "positive", math.inf),
        (True, False, math.inf),
        (0.5, None, math.inf),
    ],
)
def test_the_difference_of_two_answers(expected, found, apart):
    assert difference(expected, found) == pytest.approx(apart)


def test_the_largest_difference_is_told():
    examples = [HeldBack(b"", SAID)] * 2
    answers = [answer(), answer(risk=0.25 + LIMIT / 2)]
    assert compare(examples, answers, RELEASE) == pytest.approx(LIMIT / 2)


@pytest.mark.parametrize(
    "changes",
    [{"risk": 0.25 + 2 * LIMIT}, {"decision": True}, {"risk": math.nan}, {"possible": None}],
)
def test_an_answer_that_differs_is_refused_and_the_example_numbered(changes):
    examples = [HeldBack(b"", SAID)] * 2
    with pytest.raises(CertificateError, match=r"example 2 of 2 otherwise"):
        compare(examples, [answer(), answer(**changes)], RELEASE)


def test_an_answer_of_another_model_is_refused_however_alike():
    with pytest.raises(CertificateError, match="another certificate"):
        compare([HeldBack(b"", SAID)], [answer(certificate_sha256="b" * 64)], RELEASE)


def test_no_answer_less_and_none_more():
    with pytest.raises(ValueError, match="shorter"):
        compare([HeldBack(b"", SAID)], [], RELEASE)
