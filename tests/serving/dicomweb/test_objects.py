"""What each kind of answer becomes in a report."""

import io
from datetime import datetime

import pydicom
import pytest
from brightness_release import TRUSTED
from highdicom.sr import srread

from medpipe.io.derived import Origin, Source
from medpipe.io.terminology import Code
from medpipe.serving import release
from medpipe.serving.dicomweb import objects
from medpipe.serving.predictor import Answer

SOURCE = Source("1.2.840.10008.5.1.4.1.1.1.1", "1.2.3", "1.2.4", "1.2.5", {}, {})
ORIGIN = Origin(SOURCE, "an answer", "a request", 1, datetime(2025, 1, 2))
COMMON = {
    "answer_id": "an answer",
    "workload": "brightness",
    "model_version": "3",
    "certificate_sha256": "0" * 64,
    "intended_use": "testing",
    "duration_ms": 1.0,
    "warnings": ["wider than high"],
    "unfamiliar": False,
    "distance": 0.4,
    "abstained": False,
}
OPEN = {"outcomes": ["negative", "positive"], "words": "cannot tell", "coverage": 0.9}


@pytest.fixture
def loaded(releases):
    return release.load(releases / "brightness", TRUSTED)


def said(answer: Answer, loaded):
    """(finding, numbers by name, judgements by name) of each group of the report."""
    (report,) = objects.made(answer, ORIGIN, loaded)
    return [
        (
            (group.finding_type.value, group.finding_type.meaning),
            {m.name.meaning: (m.value, m.unit.value) for m in group.get_measurements()},
            {q.name.value: q.value.meaning for q in group.get_qualitative_evaluations()},
        )
        for group in srread(io.BytesIO(report.data)).content.get_image_measurement_groups()
    ]


def test_a_risk_is_told_with_its_threshold(loaded):
    answer = Answer(**COMMON, probability=0.9, risk=0.7, threshold=0.7, decision=True)
    ((finding, numbers, judged),) = said(answer, loaded)
    assert finding == ("bright", "Brightness of a picture")
    assert list(numbers.values()) == [(0.7, "1"), (0.7, "1")]
    assert judged == {"reached": "Yes"}


def test_each_label_is_a_finding_under_its_own_code(loaded, monkeypatch):
    codes = {"effusion": Code("60046008", "SCT", "Pleural effusion")}
    monkeypatch.setattr(type(loaded.workload), "codes", codes)
    labels = [
        {
            **{"name": name, "meaning": f"{name} seen", "possible": OPEN},
            **{"risk": 0.2, "threshold": 0.5, "decision": False},
        }
        for name in ("effusion", "cardiomegaly_of_any_degree")
    ]
    effusion, heart = said(Answer(**COMMON, labels=labels), loaded)
    assert effusion[0] == ("60046008", "Pleural effusion")
    assert heart[0][0].startswith("cardiom-")
    assert heart[0][1] == "cardiomegaly_of_any_degree seen"
    assert effusion[2] == heart[2] == {"reached": "No"}


def test_of_several_classes_each_has_its_probability_and_one_is_the_most_probable(loaded):
    classes = [{"name": "a", "probability": 0.3}, {"name": "b", "probability": 0.7}]
    found = said(Answer(**COMMON, classes=classes, decision="b"), loaded)
    assert [group[1]["Probability"][0] for group in found] == [0.3, 0.7]
    assert [group[2]["most-probable"] for group in found] == ["No", "Yes"]


def test_a_quantity_is_told_with_its_unit_and_its_range(loaded):
    quantity = {"value": 12.5, "low": 10.0, "high": 15.0, "coverage": 0.9, "unit": "years"}
    ((_, numbers, _),) = said(Answer(**COMMON, **quantity), loaded)
    assert numbers == {
        "Brightness of a picture": (12.5, "years"),
        "Lower end of the range that holds 90% of true values": (10.0, "years"),
        "Upper end of the range that holds 90% of true values": (15.0, "years"),
    }


def test_a_model_that_says_nothing_leaves_a_report_that_is_not_complete(loaded):
    (report,) = objects.made(Answer(**COMMON), ORIGIN, loaded)
    assert pydicom.dcmread(io.BytesIO(report.data)).CompletionFlag == "PARTIAL"
    assert said(Answer(**COMMON), loaded) == [(("bright", "Brightness of a picture"), {}, {})]


def test_warnings_and_the_limits_of_use_are_in_the_report(loaded):
    (report,) = objects.made(Answer(**COMMON), ORIGIN, loaded)
    made = pydicom.dcmread(io.BytesIO(report.data))
    comments = [item.TextValue for item in made.ContentSequence if "TextValue" in item]
    for sentence in ("For research: not a diagnosis.", "wider than high", "Not for: anything else"):
        assert sentence in comments


def test_a_picture_that_is_no_bitmap_is_not_made_an_image(loaded):
    drawn = {"media_type": "image/svg+xml", "picture": "PHN2Zy8+", "reasons": []}
    assert len(objects.made(Answer(**COMMON, explanation=drawn), ORIGIN, loaded)) == 1
