"""A model that the gate has allowed goes on probation, and on or off it by a signed record."""

import json
from datetime import timedelta

import pytest

from medpipe import files, probation
from medpipe.errors import TrackingError
from medpipe.promotion import change, record
from medpipe.promotion import probation as probations

GOOD, BETTER, OTHER = (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)


@pytest.fixture
def beside(project):
    """Version 1 is champion, version 2 on probation."""
    project.train(*GOOD)
    project.configure(release={"mode": "shadow", "hours": 1})
    project.promote()
    project.train(*BETTER)
    project.told = project.promote()
    return project


def test_the_first_model_is_champion_at_once_and_the_next_on_probation(beside):
    status = beside.status()
    assert (beside.told["version"], beside.told["champion"]) == ("2", "1")
    assert beside.told["summary"].startswith("is on probation (shadow) until ")
    assert (status["champion"], status["probation"]["version"]) == ("1", "2")
    assert (status["fits"], status["sequence"]) == (True, 2)
    assert (beside.layout.probation / probation.FILE).is_file()


def test_what_is_on_probation_already_changes_nothing(beside):
    again = beside.promote()
    assert (again["summary"], again["version"]) == ("already on probation; nothing changed", "2")
    assert beside.status()["sequence"] == 2


def test_only_one_model_is_on_probation_at_a_time(beside):
    beside.train(*OTHER)
    refused = beside.promote(approver="Dr. B")
    assert refused["reasons"][0].startswith("Version 2 is on probation until ")
    assert beside.status()["probation"]["version"] == "2"


def test_in_full_it_is_champion_and_the_old_one_is_the_way_back(beside):
    probations.full(beside.layout, reason="looked well", approver="Dr. B")
    status = beside.status()
    assert (status["champion"], status["previous"], status["probation"]) == ("2", "1", None)
    assert (status["fits"], status["approver"]) == (True, "Dr. B")
    assert not beside.layout.probation.exists()
    beside.rollback()
    assert beside.status()["champion"] == "1"


def test_stopped_it_comes_back_only_by_a_person(beside):
    probations.stop(beside.layout, reason="misses drains", approver="Dr. B")
    status = beside.status()
    assert (status["champion"], status["probation"], status["withdrawn"]) == ("1", None, ["2"])
    assert (status["fits"], status["reason"]) == (True, "misses drains")
    assert not beside.promote()["allowed"]
    assert beside.promote(approver="Dr. B")["probation"] == "2"


def test_a_rollback_of_the_champion_ends_the_probation_beside_it(beside):
    probations.full(beside.layout, reason="looked well", approver="Dr. B")
    beside.train(*OTHER)
    beside.promote()
    beside.rollback()
    status = beside.status()
    assert (status["champion"], status["probation"], status["withdrawn"]) == ("1", None, ["2"])


def test_a_decision_about_another_record_is_not_carried_out(beside):
    with pytest.raises(TrackingError, match="came between"):
        probations.full(beside.layout, reason="counted", approver="policy", sequence=1)
    assert beside.status()["champion"] == "1"


def removed(layout):
    (layout.probation / "model.onnx").unlink()


def of_a_hand(layout):
    stated = json.loads((layout.probation / probation.FILE).read_text())
    stated["terms"]["share"] = 1.0
    files.write_json(layout.probation / probation.FILE, stated)


@pytest.mark.parametrize("touch", [removed, of_a_hand])
def test_a_folder_that_was_touched_is_noticed_and_set_right(beside, touch):
    touch(beside.layout)
    assert "on probation does not fit" in beside.status()["problems"][0]
    beside.promote()
    assert beside.status()["fits"]


def test_a_kill_between_record_and_folder_leaves_nothing_that_promote_does_not_mend(
    beside, monkeypatch
):
    held = record.read(beside.layout).record

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("medpipe.promotion.change.follow", killed)
        probations.stop(beside.layout, reason="alarms", approver="Dr. B")
    assert record.read(beside.layout).record.sequence == held.sequence + 1
    assert beside.layout.probation.exists()
    assert not beside.promote()["allowed"]
    assert beside.status()["fits"]
    assert not beside.layout.probation.exists()


@pytest.mark.parametrize(("model", "champion"), [(GOOD, "1"), (BETTER, "2")])
def test_nothing_stands_beside_a_champion_that_cannot_answer(project, monkeypatch, model, champion):
    """The model itself under a new certificate, or the next one: it is champion at once."""
    project.configure(release={"mode": "shadow"})
    project.train(*GOOD)
    project.promote()
    later = change.now() + timedelta(days=366)
    monkeypatch.setattr(change, "now", lambda: later)
    project.train(*model)
    outcome = project.promote()
    assert (outcome["champion"], outcome["probation"]) == (champion, None)
