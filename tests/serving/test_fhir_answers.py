"""Every kind of answer as a resource that two libraries call valid, and as a card."""

import json
import re
from datetime import UTC, datetime

import pytest
from brightness_release import TRUSTED
from test_fhir import validated

from medpipe.io.fhir.mapping import FhirMap
from medpipe.serving import release
from medpipe.serving.cds_hooks import cards
from medpipe.serving.fhir import answers
from medpipe.serving.fhir.question import Question
from medpipe.serving.predictor import Answer

AT = datetime(2024, 6, 1, 8, 30, tzinfo=UTC)
ASKED = Question(b"", "Patient/doe", None, ("left aside: something (1)",), ("Observation/a",))
OPEN = {"outcomes": ["negative", "positive"], "words": "cannot tell", "coverage": 0.9}
KINDS = {
    "binary": {
        "possible": OPEN,
        "risk": 0.29,
        "decision": False,
        "threshold": 0.3,
        "probability": 0.2,
    },
    "multiclass": {
        "decision": "bacteria",
        "classes": [
            {"name": "bacteria", "probability": 0.7},
            {"name": "virus", "probability": 0.3},
        ],
    },
    "multilabel": {
        "labels": [
            {
                **{"name": "a", "meaning": "effusion", "possible": OPEN},
                **{"risk": 0.4, "threshold": 0.3, "decision": True},
            },
            {
                **{"name": "b", "meaning": "fracture", "possible": OPEN},
                **{"risk": 0.1, "threshold": 0.2, "decision": False},
            },
        ]
    },
    "regression": {"value": 5.2, "low": 4.1, "high": 6.3, "coverage": 0.9, "unit": "mg/dL"},
    "none": {},
}


def answer(kind):
    return Answer(
        answer_id="0b0cf2b6-7c0e-4f43-9f3b-6a3b4e6a3f10",
        workload="brightness",
        model_version="3",
        certificate_sha256="9f" * 32,
        intended_use="testing",
        duration_ms=1.0,
        warnings=["wider than high"],
        unfamiliar=False,
        distance=0.4,
        abstained=kind == "none",
        **KINDS[kind],
    )


@pytest.fixture
def loaded(releases):
    return release.load(releases / "brightness", TRUSTED)


@pytest.fixture
def of_records(loaded, monkeypatch):
    monkeypatch.setattr(type(loaded.workload), "payload", "record")
    return loaded


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("binary", "RiskAssessment"),
        ("multiclass", "RiskAssessment"),
        ("multilabel", "DiagnosticReport"),
        ("regression", "DiagnosticReport"),
        ("none", "DiagnosticReport"),
    ],
)
def test_an_answer_about_a_record_is_a_valid_resource(of_records, kind, expected):
    found = validated(answers.resource(answer(kind), ASKED, of_records, at=AT))
    assert found["resourceType"] == expected
    assert found["subject"] == {"reference": "Patient/doe"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_about_a_file_is_a_valid_report(loaded, kind):
    found = validated(answers.resource(answer(kind), ASKED, loaded, at=AT))
    assert found["resourceType"] == "DiagnosticReport"
    assert "wider than high" in found["conclusion"]
    assert "left aside: something (1)" in found["conclusion"]


def test_what_cannot_be_ruled_out_is_told_of_each_label():
    told = answer("multilabel").caveats()
    assert told[1] == (
        "b: not ruled out: negative, positive; such sets hold the true outcome of 90% of patients"
    )
    assert told[2:] == ["wider than high"]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_contained_is_named_and_whatever_is_named_is_contained(loaded, kind):
    found = answers.resource(answer(kind), ASKED, loaded, at=AT)
    held = {f"#{resource['id']}" for resource in found.get("contained", ())}
    assert set(re.findall(r'"reference": "(#[\w-]+)"', json.dumps(found))) == held


def test_probabilities_are_percentages_as_the_standard_has_them(of_records):
    (one,) = answers.resource(answer("binary"), ASKED, of_records, at=AT)["prediction"]
    assert one["probabilityDecimal"] == 29.0  # and 0.29 * 100 is 28.999999999999996
    found = answers.resource(answer("multiclass"), ASKED, of_records, at=AT)["prediction"]
    assert [(p["outcome"]["text"], p["probabilityDecimal"]) for p in found] == [
        ("bacteria", 70.0),
        ("virus", 30.0),
    ]
    assert ["qualitativeRisk" in p for p in found] == [True, False]


def test_each_label_is_an_observation_with_its_threshold(of_records):
    *found, _ = answers.resource(answer("multilabel"), ASKED, of_records, at=AT)["contained"]
    assert [o["code"]["text"] for o in found] == ["effusion", "fracture"]
    assert [o["referenceRange"][0]["high"]["value"] for o in found] == [30.0, 20.0]
    assert [o["interpretation"][0]["coding"][0]["code"] for o in found] == ["POS", "NEG"]


def test_a_quantity_has_its_unit_and_its_range(of_records):
    value, _ = answers.resource(answer("regression"), ASKED, of_records, at=AT)["contained"]
    assert value["valueQuantity"] == {"value": 5.2, "unit": "mg/dL"}
    assert [c["valueQuantity"]["value"] for c in value["component"]] == [4.1, 6.3]
    assert "90% of true values" in value["component"][0]["code"]["text"]


@pytest.mark.parametrize(
    ("kind", "summary", "indicator"),
    [
        ("binary", "Brightness of a picture: risk 29%, below the threshold 30%", "info"),
        ("multiclass", "Brightness of a picture: most probably bacteria (70%)", "info"),
        ("multilabel", "Brightness of a picture: 1 of 2 flagged: a", "warning"),
        ("regression", "Brightness of a picture: 5.2 mg/dL (4.1 to 6.3)", "info"),
        ("none", "Brightness of a picture: no figure is given for this patient", "info"),
    ],
)
def test_a_card_says_it_in_a_line(loaded, kind, summary, indicator):
    found = cards.card(answer(kind), ASKED, loaded)
    assert (found.summary, found.indicator) == (summary, indicator)
    assert found.uuid == answer(kind).answer_id
    assert "- Not for: anything else" in found.detail


@pytest.mark.parametrize("length", [1, 90, 139, 400])
def test_a_summary_is_shorter_than_140_characters_and_keeps_the_figure(loaded, monkeypatch, length):
    monkeypatch.setattr(type(loaded.workload), "title", "t" * length)
    found = cards.card(answer("binary"), ASKED, loaded)
    assert len(found.summary) < 140
    assert found.summary.endswith("risk 29%, below the threshold 30%")


@pytest.mark.parametrize(
    ("declared", "expected"), [(None, "info"), (0.29, "critical"), (0.3, "info")]
)
def test_a_card_is_critical_only_from_the_risk_that_is_declared(
    loaded, monkeypatch, declared, expected
):
    monkeypatch.setattr(type(loaded.workload), "fhir", FhirMap((), critical_from=declared))
    assert cards.card(answer("binary"), ASKED, loaded).indicator == expected
