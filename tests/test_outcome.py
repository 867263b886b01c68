"""An outcome reads as one line, and says nothing that is nothing."""

import pytest

from medpipe.outcome import told


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
        ({"auroc": {"value": None, "low": None, "high": None}}, "auroc undefined"),
        ({"labels": ["A", "B"], "threshold": 0.28810}, "labels A, B, threshold 0.2881"),
        ({"failed": [{"rule": "height_cm.range", "examples": 12}]}, "failed 1"),
    ],
)
def test_an_outcome_is_told_in_one_line_without_what_is_nought_or_long(outcome, expected):
    assert told(outcome) == expected


def test_a_metric_is_told_with_its_interval():
    found = {"value": 0.9461, "low": 0.8983, "high": 0.9726, "count": 63, "among": 77}
    assert told({"ppv": found}) == "ppv 0.946 (0.898–0.973)"
