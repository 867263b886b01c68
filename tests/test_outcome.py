"""An outcome reads as one line, and says nothing that is nothing."""

import pytest

from medpipe.outcome import measured, told


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ({"new": 0, "resumed_after": None, "left_out": {}, "problems": []}, ""),
        ({"clean": False, "rows": 3}, "clean no, rows 3"),
        ({"best_epoch": 15, "examples_per_s": 25611.4}, "best epoch 15, examples per s 25,611"),
        ({"version": "ab" * 32}, "version abababababab"),
        (
            {"quarantined": {"diagnosis_2 is not a code": 20, "no label": 7}},
            "quarantined (diagnosis_2 is not a code: 20; no label: 7)",
        ),
        (
            {"counts": {"train": {"examples": 786, "groups": 707}, "external": {"examples": 0}}},
            "counts (train: examples 786, groups 707)",
        ),
        ({"labels": ["A", "B"], "threshold": 0.28810}, "labels A, B, threshold 0.2881"),
        ({"failed": [{"rule": "height_cm.range", "examples": 12}]}, "failed 1"),
    ],
)
def test_an_outcome_is_told_in_one_line_without_what_is_nought_or_long(outcome, expected):
    assert told(outcome) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"value": 0.9461, "low": 0.8983, "high": 0.9726, "count": 63}, "0.946 (0.898–0.973)"),
        ({"value": -0.0001, "low": -0.009, "high": -0.0002}, "0.000 (−0.009 to 0.000)"),
        ({"value": 0.5, "low": None, "high": None}, "0.500"),
        ({"value": None, "low": None, "high": None}, "undefined"),
        ({"value": None, "undefined": "one class only"}, "undefined: one class only"),
    ],
)
def test_a_metric_is_told_with_its_interval_or_why_it_has_none(found, expected):
    assert measured(found) == expected


def test_a_metric_among_an_outcome_is_told_alike():
    found = {"value": 0.9461, "low": 0.8983, "high": 0.9726}
    assert told({"examples": 3, "ppv": found}) == f"examples 3, ppv {measured(found)}"
