"""An answer as a DICOM Structured Report: TID 1500, Measurement Report, in a Comprehensive SR.

References
----------
PS3.3 section A.35.3 (the object); PS3.16 TID 1500, 1501 (measurement groups), 4019 (algorithm).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from medpipe.io import derived
from medpipe.io.derived import Made, Maker, Origin, Source
from medpipe.io.terminology import Code

KIND = "structured report"
NO_UNIT = Code("1", "UCUM", "no units")
PROBABILITY = Code("122157", "DCM", "Probability")
YES = Code("373066001", "SCT", "Yes")
NO = Code("373067005", "SCT", "No")
_LANGUAGE = CodedConcept("en-GB", "RFC5646", "English (United Kingdom)")
_SCHEME = CodingSchemeIdentificationItem(
    designator=derived.PRIVATE_SCHEME,
    name="Concepts of medpipe",
    responsible_organization=derived.MANUFACTURER,
)


@dataclass(frozen=True)
class Measured:
    """A number."""

    name: Code
    value: float
    unit: Code = NO_UNIT


@dataclass(frozen=True)
class Result:
    """What is said of one finding.

    Parameters
    ----------
    finding : what may be there, or is measured
    measured : numbers
    judged : name and value of what is a code
    """

    finding: Code
    measured: tuple[Measured, ...] = ()
    judged: tuple[tuple[Code, Code], ...] = ()


def write(
    origin: Origin,
    maker: Maker,
    results: Sequence[Result],
    *,
    procedure: Code,
    comments: Iterable[str],
    is_complete: bool,
) -> Made:
    """The report as a file: unverified, preliminary, about the one source image.

    Parameters
    ----------
    results : at least one
    procedure : how the image was made
    comments : sentences for the reader
    is_complete : whether the model has said what it was asked for
    """
    report = _Report(
        evidence=[_filed(origin.source)],
        content=_content(origin, maker, results, procedure, comments)[0],
        series_instance_uid=origin.series_uid(KIND),
        series_number=derived.SERIES_NUMBER,
        series_description=f"{maker.title}: report"[: derived.LENGTH],
        sop_instance_uid=origin.instance_uid(KIND),
        instance_number=origin.number,
        content_date=origin.at.date(),
        content_time=origin.at.time(),
        manufacturer=derived.MANUFACTURER,
        manufacturer_model_name=maker.name[: derived.LENGTH],
        software_versions=maker.versions,
        device_serial_number=maker.certificate_sha256,
        coding_schemes=[_SCHEME],
        is_complete=is_complete,
        is_final=False,
        is_verified=False,
    )
    return derived.finish(report, origin.source)


class _Report(sr.ComprehensiveSR):
    """highdicom's; patient and study are put in last, by `derived.finish` alone."""

    def copy_patient_and_study_information(self, dataset: Dataset) -> None:
        """Nothing: `dataset` names nobody."""


def _filed(source: Source) -> Dataset:
    """What highdicom may know of the source: where it is filed, and nothing of the person."""
    found = Dataset()
    found.SOPClassUID, found.SOPInstanceUID = source.sop_class_uid, source.instance_uid
    found.SeriesInstanceUID, found.StudyInstanceUID = source.series_uid, source.study_uid
    found.PatientID = found.PatientName = found.PatientBirthDate = found.PatientSex = None
    found.AccessionNumber = found.StudyID = found.StudyDate = found.StudyTime = None
    return found


def _content(
    origin: Origin,
    maker: Maker,
    results: Sequence[Result],
    procedure: Code,
    comments: Iterable[str],
) -> sr.MeasurementReport:
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(maker)),
        procedure_reported=_coded(procedure),
        imaging_measurements=[
            _group(result, number, origin, maker) for number, result in enumerate(results, start=1)
        ],
        language_of_content_item_and_descendants=sr.LanguageOfContentItemAndDescendants(_LANGUAGE),
    )
    for comment in comments:
        content[0].ContentSequence.append(
            sr.TextContentItem(
                name=codes.DCM.Comment,
                value=comment,
                relationship_type=sr.RelationshipTypeValues.CONTAINS,
            )
        )
    return content


def _observer(maker: Maker) -> sr.ObserverContext:
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=maker.uid,
            name=f"{derived.MANUFACTURER} {maker.name}",
            manufacturer_name=derived.MANUFACTURER,
            model_name=maker.name,
            serial_number=maker.certificate_sha256,
        ),
    )


def _group(
    result: Result, number: int, origin: Origin, maker: Maker
) -> sr.MeasurementsAndQualitativeEvaluations:
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=derived.uid("result", origin.answer_id, str(number)),
            identifier=f"{origin.answer_id} {number}",
        ),
        finding_type=_coded(result.finding),
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{derived.MANUFACTURER} {maker.name}",
            version=maker.version,
            parameters=[f"certificate, SHA-256: {maker.certificate_sha256}"],
        ),
        measurements=[
            sr.Measurement(name=_coded(m.name), value=m.value, unit=_coded(m.unit))
            for m in result.measured
        ],
        qualitative_evaluations=[
            sr.QualitativeEvaluation(name=_coded(name), value=_coded(value))
            for name, value in result.judged
        ],
        source_images=[
            sr.SourceImageForMeasurementGroup(
                referenced_sop_class_uid=origin.source.sop_class_uid,
                referenced_sop_instance_uid=origin.source.instance_uid,
            )
        ],
    )


def _coded(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)
