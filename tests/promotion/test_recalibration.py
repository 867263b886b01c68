"""A champion whose risks are put right by outcomes, on a registry and a record that are real."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from known_answers import give
from scipy.special import expit
from test_interrupted import die

from medpipe import certificate, keys, tracking
from medpipe.audit import place as places
from medpipe.errors import AuditError, CertificateError, MissingStageError, ParamsError
from medpipe.promotion import change, recalibration

GOOD = (4.0, 0.3)
PLAN = {"recalibrate": {"cases_least": 25, "intercept": {"high": 3.0}}}


@pytest.fixture
def champion(project, monkeypatch):
    """A project whose first model is champion, with answers on record."""
    monkeypatch.delenv(places.VARIABLE, raising=False)
    project.configure(plan=PLAN)
    project.train(*GOOD)
    project.promote()
    return project


def given(project, *count, **changes):
    give(project.layout.root, "level", "high", *count, **changes)


def held(project):
    return json.loads((project.layout.champion / "settings.json").read_text())


def card(project):
    return json.loads((project.layout.champion / "card.json").read_text())


def test_risks_that_are_too_low_are_raised_and_the_result_is_a_release_of_its_own(champion):
    before, signed = held(champion), certificate.read(champion.layout.champion)
    given(champion)
    outcome = champion.recalibrate()
    assert (outcome["allowed"], outcome["champion"], outcome["summary"]) == (
        True,
        "2",
        "is champion now",
    )
    after, folder = held(champion), champion.layout.champion
    assert after["intercept"] == pytest.approx(1.8, abs=0.6)
    assert after["threshold"] == pytest.approx(
        expit(after["intercept"])
    )  # of the logit 0, as before
    assert {n for n in after if after[n] != before.get(n)} == {"intercept", "threshold", "version"}
    now = certificate.read(folder)
    certificate.verify(now, folder, keys.trusted(champion.layout.home))
    assert now["digests"]["model.onnx"] == signed["digests"]["model.onnx"]
    assert now["expires"] == signed["expires"]
    assert champion.status()["fits"]


def test_the_card_says_what_the_answers_have_shown_beside_what_the_test_did(champion):
    test = card(champion)["splits"]["test"]
    given(champion)
    champion.recalibrate()
    found = card(champion)
    assert found["splits"]["test"] == test
    assert found["splits"]["answers"]["examples"] == 150
    assert found["splits"]["answers"]["metrics"]["observed_expected"]["low"] < 1
    assert found["recalibration"]["of"] == "1"
    assert found["threshold"]["value"] == held(champion)["threshold"]


def test_a_rollback_takes_it_back_and_only_a_person_does_it_again(champion):
    given(champion)
    champion.recalibrate(reason="drift")
    champion.rollback()
    assert (champion.status()["champion"], "intercept" in held(champion)) == ("1", True)
    assert held(champion)["intercept"] == 0
    given(champion, 30, seed=1, days_ago=1)  # a few more: another line
    again = champion.recalibrate(reason="drift")
    assert "Version 2, a recalibration of this model, was rolled back" in again["reasons"][0]
    assert champion.recalibrate(approver="Dr. B")["champion"] == "3"


def test_a_training_that_finds_nothing_new_does_not_take_it_back(champion):
    given(champion)
    champion.recalibrate()
    outcome = champion.promote(reason="schedule")
    assert outcome["summary"] == "already champion, its risks recalibrated; nothing changed"
    assert champion.status()["recalibrates"] == "1"
    champion.train(4.0, 0.0)  # a better one is another matter
    assert champion.promote()["champion"] == "3"
    assert champion.status()["recalibrates"] is None


def test_a_recalibration_is_recalibrated_by_its_own_answers_alone(champion):
    given(champion)
    champion.recalibrate()
    first = held(champion)["intercept"]
    assert champion.recalibrate()["champion"] == "2"  # those of version 1 do not count any more
    given(champion, version="2", seed=2, shift=-1.8)
    outcome = champion.recalibrate()
    assert outcome["champion"] == "3"
    assert held(champion)["intercept"] == pytest.approx(
        first * outcome["correction"]["slope"] + outcome["correction"]["intercept"]
    )
    assert champion.status()["recalibrates"] == "1"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"shift": 0.0}, "do not ask for other risks"),
        ({"days_ago": 92}, "0 of 0 answers had the outcome"),
    ],
)
def test_a_refusal_says_why_and_changes_nothing(champion, answers, reason):
    given(champion, **answers)
    outcome = champion.recalibrate()
    assert not outcome["allowed"]
    assert reason in outcome["reasons"][0]
    status = champion.status()
    assert (status["champion"], status["candidate"], status["sequence"]) == ("1", "1", 1)


def test_a_dry_run_changes_nothing(champion):
    given(champion)
    outcome = champion.recalibrate(dry_run=True)
    assert (outcome["allowed"], outcome["summary"]) == (True, "would be allowed")
    assert any("odds of each risk are multiplied by" in said for said in outcome["words"])
    assert champion.status()["sequence"] == 1


def test_days_can_be_given(champion):
    given(champion, days_ago=92)
    assert champion.recalibrate(days=100)["allowed"]


def test_a_line_outside_the_plan_stops_what_nobody_stands_behind(champion):
    champion.configure(plan={"recalibrate": {"cases_least": 25, "intercept": {"high": 0.3}}})
    given(champion)
    stopped = champion.recalibrate(reason="drift")
    assert "plan.recalibrate.intercept" in stopped["reasons"][0]
    assert champion.recalibrate()["champion"] == "2"
    broken = certificate.read(champion.layout.champion)["plan"]["broken"]
    assert "plan.recalibrate.intercept" in broken[0]


def test_a_person_decides_on_what_was_found_and_not_on_later_answers(champion):
    champion.configure(plan={**PLAN, "approve": ["recalibration"]})
    given(champion)
    first = champion.recalibrate(reason="drift")
    assert first["waits"]["why"] == ("Its risks were recalibrated",)
    assert champion.status()["champion"] == "1"
    given(champion, 40, seed=1, days_ago=1)
    assert champion.recalibrate(reason="drift")["waits"]["version"] == "2"
    champion.answer(True, version="2")
    outcome = champion.recalibrate()
    assert (outcome["champion"], outcome["correction"]) == ("2", first["correction"])
    signed = certificate.read(champion.layout.champion)
    assert (signed["approver"], signed["plan"]["reason"]) == ("Dr. B", "drift")
    assert recalibration.is_recalibration(champion.layout, "2")


def test_a_rejected_one_stays_out_until_a_person_starts_again(champion):
    champion.configure(plan={**PLAN, "approve": ["drift", "recalibration"]})
    given(champion)
    champion.recalibrate(reason="drift")
    champion.answer(False, version="2", reason="wait for the audit")
    given(champion, 40, seed=1, days_ago=1)
    assert "wait for the audit" in champion.recalibrate(reason="drift")["reasons"][0]
    assert champion.recalibrate()["waits"]["version"] == "3"


def test_a_forged_finding_is_not_released(champion):
    champion.configure(plan={**PLAN, "approve": ["recalibration"]})
    given(champion)
    champion.recalibrate()
    champion.answer(True, version="2")
    text = tracking.version_tags(champion.layout, "2")[recalibration.TAG]
    forged = text.replace('"slope":1.0', '"slope":1.5')
    tracking.tag_version(champion.layout, "2", {recalibration.TAG: forged})
    with pytest.raises(CertificateError, match="does not fit its field signature"):
        champion.recalibrate()


def test_an_expired_certificate_is_not_made_younger(champion, monkeypatch):
    given(champion)
    later = datetime.now(UTC) + timedelta(days=366)
    monkeypatch.setattr(change, "now", lambda: later)
    with pytest.raises(CertificateError, match="expired on"):
        champion.recalibrate()


def test_a_changed_record_is_not_fitted_to(champion):
    given(champion)
    with sqlite3.connect(champion.layout.home.audit_database) as database:
        database.execute("DROP TRIGGER medpipe_audit_no_update")
        database.execute("UPDATE medpipe_audit SET answer = replace(answer, '0.0', '0.9')")
    with pytest.raises(AuditError, match="was changed, and nothing is fitted to it"):
        champion.recalibrate()


@pytest.mark.parametrize(
    ("name", "after"), [("register", True), ("set_model_tag", False), ("set_model_tag", True)]
)
def test_a_killed_recalibration_is_ended_by_the_next(champion, monkeypatch, name, after):
    given(champion)
    step = (tracking, name)
    assert die(monkeypatch, step, call=1, after=after, doing=champion.recalibrate)
    champion.recalibrate()
    status = champion.status()
    assert (status["champion"], status["sequence"], status["fits"]) == ("2", 2, True)


def test_without_a_champion_there_is_nothing_to_recalibrate(project):
    with pytest.raises(MissingStageError, match="`medpipe promote level`"):
        project.recalibrate()


def test_other_questions_than_yes_or_no_are_refused_with_a_sentence(champion, monkeypatch):
    monkeypatch.setattr(type(champion.workload), "objective", "multilabel")
    with pytest.raises(ParamsError, match="only answers of yes or no are recalibrated"):
        champion.recalibrate()
