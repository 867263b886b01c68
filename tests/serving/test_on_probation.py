"""Beside the champion, a model on probation is asked, recorded and compared, and harms nobody."""

import json
import time

import pytest
from brightness_release import TRUSTED, png, write_release
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from probation_release import put_on_probation

from medpipe.audit import place as places
from medpipe.probation import silent_id
from medpipe.serving import api, desk, recorder, silent
from medpipe.serving.catalogue import Catalogue

LEVELS = range(40, 240, 2)
CHAMPION, CANDIDATE = "3", "4"
NOT_A_NUMBER = float("nan")


@pytest.fixture
def app(releases, pytestconfig, monkeypatch):
    monkeypatch.setattr(desk, "LOOK_S", 0.02)
    return api.create(
        lambda: Catalogue(releases, trusted=lambda _: TRUSTED),
        recorder=lambda: recorder.at(releases),
        page=pytestconfig.rootpath / "service/page.html",
    )


def ask(client, level=204):
    answer = client.post("/v1/brightness", files={"file": png(level)})
    assert answer.status_code == 200
    return answer.json()


def standing(client):
    """What the service says of the model on probation; None where it knows of none."""
    return client.get("/v1/").json()[0].get("probation")


def until(condition):
    """What `condition` gives, once it is something; at most 10 s."""
    end = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def asked(client, levels=LEVELS):
    """The answers, once all of them are counted."""
    until(lambda: standing(client))
    answers = [ask(client, level) for level in levels]
    until(lambda: (s := standing(client))["stopped"] or s["answers"] + s["dropped"] >= 1)
    return answers


def of(answer_id, tmp_path):
    """The record of that name, if there is one, with what was said."""
    with places.reading(tmp_path) as (_, store):
        found = store.of_answer(answer_id)
    return found and {**vars(found), "answer": json.loads(found.answer)}


def test_in_the_shadow_the_champion_answers_and_both_are_on_record(app, releases, tmp_path):
    put_on_probation(releases, slope=4.0)
    with TestClient(app) as client:
        (answer,) = asked(client, [204])
        beside = until(lambda: of(silent_id(answer["answer_id"]), tmp_path))
    assert answer["model_version"] == CHAMPION
    assert (beside["version"], beside["standard"], beside["status"]) == (CANDIDATE, "shadow", 200)
    assert beside["answer"]["beside"] == answer["answer_id"]
    assert beside["input"] == of(answer["answer_id"], tmp_path)["input"]
    # logit = slope · (0.8 − 0.5), calibrated with temperature 2: sigmoid(1.2) and sigmoid(0.6)
    assert answer["risk"] == pytest.approx(0.768525)
    assert beside["answer"]["risk"] == pytest.approx(0.645656)


def test_a_canary_answers_its_share_and_the_same_input_always_has_the_same_model(app, releases):
    put_on_probation(releases, mode="canary", share=0.5)
    with TestClient(app) as client:
        first, again = ([each["model_version"] for each in asked(client)] for _ in range(2))
    assert first == again
    assert 30 <= first.count(CANDIDATE) <= 70  # of 100: beyond that 1 in 25,000 times


def test_beside_a_canary_s_answer_the_champion_is_asked_silently(app, releases, tmp_path):
    put_on_probation(releases, mode="canary", share=0.999999)
    with TestClient(app) as client:
        (answer,) = asked(client, [204])
        beside = until(lambda: of(silent_id(answer["answer_id"]), tmp_path))
        counted = standing(client)
    assert (answer["model_version"], beside["version"]) == (CANDIDATE, CHAMPION)
    assert of(answer["answer_id"], tmp_path)["version"] == CANDIDATE
    assert (counted["answers"], counted["compared"], counted["differ"]) == (1, 1, 0)


def test_a_canary_that_fails_costs_the_client_nothing_and_is_stopped(app, releases, tmp_path):
    put_on_probation(releases, slope=NOT_A_NUMBER, mode="canary", share=0.999999)
    with TestClient(app) as client:
        answers = asked(client, LEVELS[:4])
        counted = until(lambda: (s := standing(client))["stopped"] and s)
    assert {each["model_version"] for each in answers} == {CHAMPION}
    beside = of(silent_id(answers[0]["answer_id"]), tmp_path)
    assert (beside["standard"], beside["answer"]["refused"]) == ("canary", "ScoreError")
    assert counted["stopped"].startswith("2 of 2 answers failed")


def test_a_canary_that_does_not_come_back_is_not_waited_for(app, releases, tmp_path):
    put_on_probation(releases, mode="canary", share=0.999999, latency_p95_ms=1e-6)
    with TestClient(app) as client:
        (answer,) = asked(client, [204])
        beside = until(lambda: of(silent_id(answer["answer_id"]), tmp_path))
    assert answer["model_version"] == CHAMPION
    assert beside["answer"]["refused"] == "TimeoutError"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"slope": -8.0}, "said what the champion said"),
        ({"slope": NOT_A_NUMBER}, "failed"),
        ({"latency_p95_ms": 1e-6}, "took over"),
    ],
)
def test_a_shadow_out_of_its_bounds_is_asked_no_more_by_any_process(app, releases, changed, why):
    put_on_probation(releases, **changed)
    with TestClient(app) as client:
        asked(client, LEVELS[60:80])
        assert why in until(lambda: standing(client)["stopped"])
        seen = standing(client)
        time.sleep(0.2)  # what waited is not asked either
        assert standing(client)["answers"] == seen["answers"]
    other = Catalogue(releases, trusted=lambda _: TRUSTED)
    other.probations.refresh()
    assert why in other.probations.candidates["brightness"].stopped


def forged(releases):
    put_on_probation(releases, key=Ed25519PrivateKey.generate())


def of_another_champion(releases):
    put_on_probation(releases, beside="0" * 64)


def out_of_time(releases):
    put_on_probation(releases, until="2026-01-01T00:00:00+00:00")


def changed_by_hand(releases):
    (put_on_probation(releases) / "state.json").write_text("{}")


def half_there(releases):
    (put_on_probation(releases) / "model.onnx").unlink()


@pytest.mark.parametrize(
    "broken", [forged, of_another_champion, out_of_time, changed_by_hand, half_there]
)
def test_what_is_not_rightly_on_probation_is_not_asked(app, releases, tmp_path, broken):
    broken(releases)
    with TestClient(app) as client:
        time.sleep(0.2)  # ten looks
        answer = ask(client)
        time.sleep(0.1)
    assert answer["model_version"] == CHAMPION
    assert of(silent_id(answer["answer_id"]), tmp_path) is None


def test_a_new_champion_ends_the_probation_beside_the_old_one(app, releases, tmp_path):
    put_on_probation(releases)
    with TestClient(app) as client:
        until(lambda: standing(client))
        write_release(releases / "brightness", version=5)
        answer = until(lambda: (a := ask(client))["model_version"] == "5" and a)
        time.sleep(0.1)
    assert of(silent_id(answer["answer_id"]), tmp_path) is None


def test_questions_that_cannot_wait_are_left_out_and_counted(app, releases, monkeypatch):
    monkeypatch.setattr(silent, "WAITING_MAX", 0)
    put_on_probation(releases)
    with TestClient(app) as client:
        asked(client, [204, 100])
        assert (standing(client)["answers"], standing(client)["dropped"]) == (0, 2)
