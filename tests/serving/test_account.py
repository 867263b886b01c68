"""What is written down of a request, and what is not."""

import asyncio
import json

import pytest
from brightness_release import TRUSTED, write_release

from medpipe.audit.chain import Chain
from medpipe.errors import CertificateError, OverloadedError, RequestError
from medpipe.serving import release
from medpipe.serving.account import LEFT_OUT, SAID, Account
from medpipe.serving.predictor import Answer, ClassProbability, LabelRisk

CHAIN = Chain(b"k" * 32)
RECORD = "time in hospital is 40; in training 1 to 14"  # as a workload may warn
FAMILIAR = {"unfamiliar": False, "distance": 0.4, "abstained": False}
POSSIBLE = {"outcomes": ["negative"], "words": "negative", "coverage": 0.9}


@pytest.fixture
def served(tmp_path):
    return release.load(write_release(tmp_path / "brightness"), TRUSTED)


def answer(**said) -> Answer:
    return Answer(
        answer_id="a",
        workload="brightness",
        model_version="3",
        certificate_sha256="c",
        intended_use="testing",
        duration_ms=1.0,
        warnings=[RECORD],
        **FAMILIAR,
        **said,
    )


def account(**named) -> Account:
    return Account("a", **{"asked_by": "ward 3", "standard": "http", **named})


def entry(working):
    return asyncio.run(working)


def test_every_field_of_an_answer_is_either_recorded_or_left_out_on_purpose():
    assert set(Answer.model_fields) == SAID | LEFT_OUT
    assert not SAID & LEFT_OUT


def test_what_the_model_said_is_recorded_and_no_word_that_may_repeat_the_record(served):
    asked = account()
    asked.reached(served)
    found = entry(asked.answered(answer(risk=0.75, decision=True, threshold=0.5)))
    assert json.loads(found.answer) == FAMILIAR | {"risk": 0.75, "decision": True, "threshold": 0.5}
    assert (found.workload, found.version, found.status) == ("brightness", "3", 200)
    assert found.certificate == served.certificate_sha256
    assert RECORD not in str(found)


def test_classes_and_labels_are_recorded_without_their_meaning():
    said = {"risk": 0.2, "threshold": 0.4, "decision": False, "possible": POSSIBLE}
    label = LabelRisk(name="edema", meaning="water", **said)
    one = answer(labels=[label], classes=[ClassProbability(name="a", probability=1)])
    assert json.loads(entry(account().answered(one)).answer) == FAMILIAR | {
        "labels": [{"name": "edema", **said}],
        "classes": [{"name": "a", "probability": 1.0}],
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RequestError("no file DOE.png", status=415), 415),
        (OverloadedError("full"), 503),
        (CertificateError("forged"), 503),
    ],
)
def test_a_refusal_is_recorded_by_its_kind_and_not_its_words(error, status):
    found = entry(account().refused(error))
    assert (found.status, json.loads(found.answer)) == (status, {"refused": type(error).__name__})
    assert (found.workload, found.version, found.input) == ("-", None, None)


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_the_digest_of_what_was_asked_is_keyed_however_large_it_is(size):
    async def asked():
        one = account()
        one.read(bytes(size), CHAIN)
        return await one.answered(answer())

    assert asyncio.run(asked()).input == CHAIN.input_digest(bytes(size))


def test_an_account_s_name_is_made_fit():
    assert entry(account(asked_by="a\0b").answered(answer())).asked_by == "a?b"
