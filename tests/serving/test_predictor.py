"""What an answer says, worked by hand."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from math import exp

import cv2
import numpy as np
import pytest
from brightness_release import SETTINGS, TRUSTED, png, write_release

from medpipe.errors import RequestError
from medpipe.serving import release
from medpipe.serving.predictor import Predictor


@pytest.fixture
def predictor(releases):
    return of(releases / "brightness")


def of(folder):
    return Predictor(release.load(folder, TRUSTED), decoders=ThreadPoolExecutor(2))


def answer(predictor, payload, **options):
    return asyncio.run(predictor.answer(payload, **options))


def test_probability_and_risk_are_those_of_the_formula(predictor):
    found = answer(predictor, png(204))  # logit 8 · (204 / 255 − 0.5) = 2.4
    assert found.probability == pytest.approx(1 / (1 + exp(-2.4)), abs=1e-6)
    assert found.risk == pytest.approx(1 / (1 + exp(-1.2)), abs=1e-6)  # temperature 2


@pytest.mark.parametrize(
    ("level", "decision"), [(255, True), (153, False), (154, True), (0, False)]
)
def test_the_decision_is_of_the_calibrated_risk_at_the_threshold(predictor, level, decision):
    # risk ≥ 0.6 ⇔ logit ≥ 2 · ln 1.5 = 0.811 ⇔ level ≥ 153.3; uncalibrated it would be 140.4
    assert answer(predictor, png(level)).decision is decision


@pytest.mark.parametrize(
    ("level", "words"),
    [(50, "negative"), (102, "cannot tell"), (180, "cannot tell"), (181, "positive")],
)
def test_what_is_possible_stands_beside_the_decision(predictor, level, words):
    # positive from a risk of 0.4: logit −0.811, level 101.7; negative to 0.7: 1.695, level 181.5 …
    # … of which 181 is 1.678 and still within, 182 is not
    found = answer(predictor, png(level + (words == "positive")))
    assert (found.possible.words, found.possible.coverage) == (words, 0.9)


def test_what_lies_within_the_bound_is_familiar(predictor):
    found = answer(predictor, png(255))  # distance 4 of 4
    assert (found.unfamiliar, found.abstained, found.distance) == (False, False, 1)
    assert found.warnings == []


def test_an_unfamiliar_input_is_answered_with_a_warning_before_all_others(tmp_path):
    folder = write_release(tmp_path / "brightness", familiar={"distance": 3.2, "share": 0.99})
    found = answer(of(folder), png(255, height=8, width=16))
    assert (found.unfamiliar, found.abstained) == (True, False)
    assert found.distance == pytest.approx(4 / 3.2)
    assert found.risk is not None
    first, second = found.warnings
    assert "1.25 times as far from them as 99 % of patients are at most: do not rely" in first
    assert second == "wider than high"


@pytest.mark.parametrize("explain", [False, True])
def test_where_it_is_told_to_the_model_refuses_what_is_not_for_it(tmp_path, explain):
    folder = write_release(
        tmp_path / "brightness",
        familiar={"distance": 3.2, "share": 0.99},
        serve={**SETTINGS["serve"], "abstain": "refuse"},
    )
    found = answer(of(folder), png(255), explain=explain).model_dump(exclude_unset=True)
    assert (found["abstained"], found["unfamiliar"]) == (True, True)
    assert not {"risk", "probability", "decision", "threshold", "possible"} & set(found)
    assert found["explanation"] is None
    assert "not for this input, and gives no answer" in found["warnings"][0]
    assert answer(of(folder), png(128), explain=explain).risk is not None


def test_an_answer_names_the_model_and_who_allowed_it(predictor):
    found = answer(predictor, png(9), answer_id="given")
    assert (found.answer_id, found.workload, found.model_version) == ("given", "brightness", "3")
    assert found.certificate_sha256 == predictor.release.certificate_sha256
    assert found.intended_use == "testing the service"
    assert found.explanation is None


def test_the_workload_s_cautions_are_the_answer_s_warnings(predictor):
    assert answer(predictor, png(9)).warnings == []
    found = answer(predictor, png(9, height=8, width=16), explain=False)
    assert found.warnings == ["wider than high"]


def test_an_explanation_is_the_map_of_the_same_graph(predictor):
    found = answer(predictor, png(204), explain=True)
    drawn = np.frombuffer(base64.b64decode(found.explanation.picture), np.uint8)
    assert np.array_equal(cv2.imdecode(drawn, cv2.IMREAD_GRAYSCALE), np.full((8, 8), 204))
    assert found.risk == answer(predictor, png(204)).risk


def test_many_at_once_get_their_own_answers_and_a_broken_one_disturbs_nobody(predictor):
    levels = list(range(0, 250, 10))

    async def scene():
        asked = [predictor.answer(png(level)) for level in levels]
        return await asyncio.gather(*asked, predictor.answer(png(1)[:40]), return_exceptions=True)

    *found, broken = asyncio.run(scene())
    expected = [1 / (1 + exp(-8 * (level / 255 - 0.5))) for level in levels]
    assert [each.probability for each in found] == pytest.approx(expected, abs=1e-6)
    assert isinstance(broken, RequestError)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"GIF89a", 415),
        (png(1)[:40], 400),
        (b"MR", 422),
        (png(1, height=60, width=60), 413),  # ingest allows 4096 pixels, the service 2500
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_status(predictor, payload, status):
    with pytest.raises(RequestError) as refusal:
        answer(predictor, payload)
    assert refusal.value.status == status
