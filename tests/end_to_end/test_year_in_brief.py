"""A year in five weeks, through the real Prefect server and worker, MLflow and service.

`bench/year.py` lives through the whole of it, made of the same parts; docs/monitor.md tells what
came of that.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from simulated_year import Year

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_new_scanner_is_learned_broken_labels_are_not_and_no_run_is_lost(tmp_path):
    year = Year(tmp_path, window_s=14)
    with year.running():
        quiet = year.week()
        year.hospitals.changes_scanner()
        first, second = year.week(), year.week()
        year.hospitals.corrupts = True
        year.kill("worker", after_s=1)
        broken = [year.week(), year.week()]
        refused = year.retrain()
        assert year.agrees()
        ended = year.ended_runs()
        champion = year.champion()["champion"]
    assert quiet.verdict != "drifted", quiet.reasons
    assert (first.verdict, first.trainings) == ("watch", ()), first.reasons
    assert (second.verdict, second.action) == ("drifted", "retrain"), second.reasons
    assert ["version 2: is champion now" in said for said in second.trainings] == [True]
    assert {week.version for week in broken} == {champion} == {"2"}
    assert "stopped before training: plan.data.doubted: the champion orders the" in refused
    assert "see whether their labels are right" in refused
    assert year.kills == 1
    assert (len(ended), ended.count("CRASHED")) == (year.expected, year.again)
    assert set(ended) <= {"COMPLETED", "CRASHED"}
