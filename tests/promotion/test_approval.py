"""The change plan and a person's approval, on a registry and a release folder that are real."""

from datetime import UTC, datetime, timedelta

import pytest
from test_interrupted import die

from medpipe import certificate, promotion, tracking
from medpipe.errors import CertificateError, ParamsError, TrackingError
from medpipe.promotion import approval, change

GOOD, BETTER = (4.0, 0.3), (4.0, 0.0)


@pytest.fixture
def asking(project):
    """A project whose plan wants every model approved, with a good one that waits."""
    project.configure(plan={"approve": ["always"], "answer_days": 3})
    project.train(*GOOD)
    project.first = project.promote()
    return project


def signed(project):
    return certificate.read(project.layout.champion)


def test_a_model_that_a_person_must_approve_waits_and_nothing_is_released(asking):
    assert not asking.first["allowed"]
    assert asking.first["waits"]["why"] == ("The plan wants every model approved",)
    assert "the gate allowed it; Version 1 waits for a person's approval" in asking.first["summary"]
    assert asking.status()["champion"] is None
    assert tracking.version_tags(asking.layout, "1")["medpipe.verdict"] == "waits"


def test_an_approved_model_becomes_champion_and_its_certificate_says_who_when_and_why(asking):
    at = datetime.now(UTC).replace(microsecond=0)
    asking.answer(True, at=at)
    assert asking.promote()["champion"] == "1"
    told = signed(asking)
    found = {name: told["approval"][name] for name in ("approver", "reason", "at")}
    assert found == {"approver": "Dr. B", "reason": "looked", "at": at.isoformat()}
    assert told["approver"] == "Dr. B"
    assert asking.status()["reason"] == "the gate allowed it; approved: looked"


def test_what_a_schedule_trained_is_held_to_the_plan_after_the_approval_too(project):
    project.configure(plan={"approve": ["always"], "accept": {"floors": {"auroc": 0.82}}})
    project.train(*BETTER)
    project.promote(reason="schedule")
    project.answer(True)
    project.promote()  # as a person types it
    told = signed(project)
    assert told["plan"]["reason"] == "schedule"
    assert next(each for each in told["checks"] if each["name"] == "auroc")["limit"] == 0.82


def test_a_rejected_model_stays_out_until_a_person_asks_again(asking):
    asking.answer(False, reason="too few patients")
    nightly = asking.promote(reason="schedule")
    assert (nightly["allowed"], nightly["waits"]) == (False, None)
    assert nightly["reasons"][0].startswith("Version 1 was rejected by Dr. B on 20")
    assert nightly["reasons"][0].endswith(": too few patients")
    assert asking.promote()["waits"] is not None
    assert asking.status()["champion"] is None


def test_not_answered_in_time_is_rejected_by_policy(asking, monkeypatch):
    late = datetime.now(UTC) + timedelta(days=3, minutes=1)
    with pytest.raises(TrackingError, match="was rejected by policy"):
        asking.answer(True, at=late)
    monkeypatch.setattr(change, "now", lambda: late.replace(microsecond=0))
    assert "rejected by policy" in asking.promote(reason="schedule")["reasons"][0]


def test_the_same_answer_twice_is_one_and_the_other_one_is_refused(asking):
    first = asking.answer(True)
    assert asking.answer(True, approver="Dr. C") == first
    with pytest.raises(TrackingError, match=r"approved by Dr. B .*it stands"):
        asking.answer(False)


@pytest.mark.parametrize("text", ["", "  ", "x" * 501])
def test_an_answer_without_a_reason_is_refused(asking, text):
    with pytest.raises(ParamsError, match="give a reason"):
        asking.answer(True, reason=text)


@pytest.mark.parametrize("after", [False, True])
def test_a_killed_answer_is_there_whole_or_not_at_all(asking, monkeypatch, after):
    step = (tracking, "tag_version")
    assert die(monkeypatch, step, call=1, after=after, doing=lambda: asking.answer(True))
    assert (asking.status()["waits"] is None) is after
    asking.answer(True)
    assert asking.promote()["champion"] == "1"


@pytest.mark.parametrize("after", [False, True])
def test_a_question_that_was_killed_is_asked_by_the_next_promote(project, monkeypatch, after):
    project.configure(plan={"approve": ["first"]})
    project.train(*GOOD)
    step = (tracking, "tag_version")
    assert die(monkeypatch, step, call=1, after=after, doing=project.promote)
    assert project.promote()["waits"]["version"] == "1"
    assert project.status()["champion"] is None


def test_the_policy_is_no_person(asking):
    with pytest.raises(ParamsError, match="a person decides"):
        asking.answer(True, approver="policy")


def test_status_says_what_waits(asking):
    assert asking.status()["waits"]["version"] == "1"
    asking.answer(True)
    assert asking.status()["waits"] is None


def test_nobody_can_answer_what_was_not_asked(project):
    project.train(*GOOD)
    project.promote()
    with pytest.raises(TrackingError, match="nobody was asked"):
        project.answer(True)


def test_an_approval_does_not_outlive_another_promotion_or_a_rollback(asking):
    asking.answer(True)
    asking.promote()
    asking.train(*BETTER)
    asking.promote()
    asking.answer(True, version="2")
    asking.promote()
    asking.rollback()
    outcome = asking.promote(approver="Dr. C")
    assert outcome["waits"]["version"] == "2"
    assert asking.status()["champion"] == "1"


def test_a_forged_approval_is_noticed(asking):
    asking.answer(True)
    text = tracking.version_tags(asking.layout, "1")[approval.TAG]
    tracking.tag_version(asking.layout, "1", {approval.TAG: text.replace("Dr. B", "Dr. C")})
    with pytest.raises(CertificateError, match="approval of version 1 of level"):
        asking.promote()


def test_a_dry_run_asks_nobody(project):
    project.configure(plan={"approve": ["first"]})
    project.train(*GOOD)
    outcome = project.promote(dry_run=True)
    assert outcome["summary"] == (
        "would be allowed, if a person approves: it would be the first champion"
    )
    assert approval.newest(project.layout) is None


def test_the_certificate_holds_what_the_next_change_is_held_against(project):
    project.train(*GOOD)
    project.promote(reason="schedule")
    told = signed(project)
    plan = project.params.plan.model_dump(mode="json")
    assert told["plan"] == {
        "digest": certificate.digest(plan),
        "reason": "schedule",
        "within": True,
        "broken": [],
    }
    assert told["params"]["evaluate"]["resamples"] == 100
    assert (told["data"], told["approval"]) == (
        {"source": "sample", "labelled": 60, "parts": 1},
        None,
    )


def test_an_automatic_retrain_outside_the_plan_is_refused_and_one_by_hand_is_recorded(project):
    project.train(*GOOD)
    project.promote()
    project.configure(gate={"ece_max": 0.99})
    project.train(*BETTER)
    refused = project.promote(reason="drift")
    line = "plan.may_change: gate.ece_max is 0.99, the champion's is 1.0"
    assert (refused["allowed"], refused["reasons"][0][: len(line)]) == (False, line)
    assert project.promote()["champion"] == "2"
    assert signed(project)["plan"]["broken"][0].startswith(line)


def test_before_training_the_plan_says_the_same(project):
    project.train(*GOOD)
    project.promote()
    project.configure(plan={"data": {"new_least": 1}})
    found = promotion.planned(project.workload, project.params, project.layout, "drift")
    assert found.broken == ("plan.data.new_least: 0 new labelled examples, at least 1 asked",)
    assert found.stops


def test_an_automatic_retrain_must_reach_what_the_plan_asks_beyond_the_gate(project):
    project.configure(plan={"accept": {"floors": {"auroc": 0.999}}})
    project.train(*GOOD)
    assert "AUROC's lower bound" in project.promote(reason="schedule")["reasons"][0]
    assert project.promote()["allowed"]
