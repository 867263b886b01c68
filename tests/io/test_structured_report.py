"""The report, read back element by element and by highdicom's own reader of TID 1500."""

import dataclasses
import io

import pydicom
import pytest
from highdicom.sr import srread
from made_objects import (
    ANSWER,
    CERTIFICATE,
    MAKER,
    ORIGIN,
    OTHER,
    PNEUMONIA,
    PROCEDURE,
    RESULT,
    SOURCE,
)
from pydicom.dataset import Dataset

from medpipe.io import structured_report
from medpipe.io.structured_report import Result


def report(*results, origin=ORIGIN, maker=MAKER, comments=("Not for children.",), **changed):
    given = {"procedure": PROCEDURE, "comments": comments, "is_complete": True, **changed}
    return structured_report.write(origin, maker, results or (RESULT,), **given)


def read(made) -> Dataset:
    return pydicom.dcmread(io.BytesIO(made.data))


def values(dataset: Dataset, name: str) -> list:
    """What all content items with this concept name say."""
    found = []
    for item in dataset.get("ContentSequence", ()):
        if item.ConceptNameCodeSequence[0].CodeMeaning == name:
            held = item.get("TextValue") or item.get("UID")
            found.append(held or item.ConceptCodeSequence[0].CodeValue)
        found += values(item, name)
    return found


def test_the_risk_is_a_measured_probability_without_unit_of_a_coded_finding():
    (group,) = srread(io.BytesIO(report().data)).content.get_image_measurement_groups()
    assert group.finding_type == pydicom.sr.coding.Code("233604007", "SCT", "Pneumonia")
    risk, threshold = group.get_measurements()
    assert (risk.name.value, risk.name.scheme_designator) == ("122157", "DCM")
    assert (risk.value, risk.unit.value, risk.unit.scheme_designator) == (0.84, "1", "UCUM")
    assert (threshold.name.meaning, threshold.value) == ("Operating point", 0.42)
    (reached,) = group.get_qualitative_evaluations()
    assert reached.value.meaning == "Yes"


def test_it_is_preliminary_unverified_and_complete_only_where_something_is_said():
    said, silent = read(report()), read(report(Result(PNEUMONIA), is_complete=False))
    assert (said.CompletionFlag, silent.CompletionFlag) == ("COMPLETE", "PARTIAL")
    assert {said.VerificationFlag, silent.VerificationFlag} == {"UNVERIFIED"}
    assert {said.PreliminaryFlag, silent.PreliminaryFlag} == {"PRELIMINARY"}


def test_it_names_the_algorithm_and_the_certificate_that_allows_it():
    made = read(report())
    assert values(made, "Algorithm Name") == ["medpipe chest_xray"]
    assert values(made, "Algorithm Version") == ["3"]
    assert values(made, "Algorithm Parameters") == [f"certificate, SHA-256: {CERTIFICATE}"]
    assert made.DeviceSerialNumber == CERTIFICATE


def test_the_observer_is_the_same_device_for_as_long_as_the_certificate():
    other = dataclasses.replace(MAKER, certificate_sha256="0" * 64)
    later = dataclasses.replace(ORIGIN, answer_id="another")
    first, second, third = (
        values(read(each), "Device Observer UID")
        for each in (report(), report(origin=later), report(maker=other))
    )
    assert first == second != third
    assert first[0].startswith("2.25.")


def test_it_refers_to_the_image_and_is_filed_in_its_study_in_a_series_of_its_own():
    made = read(report())
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    (image,) = series.ReferencedSOPSequence
    assert study.StudyInstanceUID == made.StudyInstanceUID == SOURCE.study_uid
    assert series.SeriesInstanceUID == SOURCE.series_uid != made.SeriesInstanceUID
    assert image.ReferencedSOPInstanceUID == SOURCE.instance_uid != made.SOPInstanceUID
    assert (made.PatientName, made.PatientID) == ("Doe^Jane", "42")


def test_the_sentences_for_the_reader_and_the_name_of_the_answer_are_in_it():
    made = read(report(comments=("Not for children.", "Grenzwert ≥ 0,4")))
    assert values(made, "Comment") == ["Not for children.", "Grenzwert ≥ 0,4"]
    assert values(made, "Tracking Identifier") == [f"{ANSWER} 1"]


def test_reports_of_one_request_are_one_series_and_those_of_two_studies_two():
    origins = (
        ORIGIN,
        dataclasses.replace(ORIGIN, answer_id="b", number=2),
        dataclasses.replace(ORIGIN, source=dataclasses.replace(SOURCE, study_uid="1.2.9")),
    )
    one, same, other = (read(report(origin=origin)) for origin in origins)
    assert one.SeriesInstanceUID == same.SeriesInstanceUID != other.SeriesInstanceUID
    assert (one.InstanceNumber, same.InstanceNumber) == (1, 2)
    assert one.SOPInstanceUID != same.SOPInstanceUID


@pytest.mark.parametrize("count", [1, 2])
def test_every_finding_has_a_group_that_can_be_followed(count):
    made = read(report(*(RESULT, OTHER)[:count]))
    assert values(made, "Finding") == ["233604007", "effusion"][:count]
    assert len(set(values(made, "Tracking Unique Identifier"))) == count


def test_a_private_or_unknown_kind_of_image_can_be_reported_on():
    private = dataclasses.replace(SOURCE, sop_class_uid="1.3.12.2.1107.5.9.1")
    made = read(report(origin=dataclasses.replace(ORIGIN, source=private)))
    (item,) = made.CurrentRequestedProcedureEvidenceSequence
    (image,) = item.ReferencedSeriesSequence[0].ReferencedSOPSequence
    assert image.ReferencedSOPClassUID == "1.3.12.2.1107.5.9.1"
