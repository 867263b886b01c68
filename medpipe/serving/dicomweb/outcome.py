"""What a STOW-RS request came to: PS3.18 section 10.5.3 and annex I."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi.responses import JSONResponse
from pydicom.dataset import Dataset

from medpipe.errors import Fault, RequestError
from medpipe.io.derived import Source
from medpipe.serving.dicomweb import accept

REASONS: dict[Fault, int] = {
    "format": 0xC000,  # cannot understand
    "coding": 0xC122,  # transfer syntax not supported
    "broken": 0xC000,
    "kind": 0x0122,  # SOP class not supported
    "content": 0xA900,  # data set does not match the SOP class
    "size": 0xA700,  # out of resources
}
"""Failure Reason (0008,1197) by what is wrong with an instance, PS3.18 table I.2-2."""

_WARNINGS_MAX = 10
_WARNING_LENGTH = 200  # characters; proxies refuse long headers


@dataclass
class Outcome:
    """Collected instance by instance."""

    answered: list[Source] = field(default_factory=list)
    failed: list[tuple[Source, RequestError]] = field(default_factory=list)
    unnamed: list[RequestError] = field(default_factory=list)
    """Of instances whose UIDs could not be read."""
    said: list[str] = field(default_factory=list)

    def fail(self, number: int, source: Source | None, error: RequestError) -> None:
        """Instance `number` of the request was refused; `source` is None where it is not known."""
        self.said.append(f"instance {number}: {error}")
        if source is None:
            self.unnamed.append(error)
        else:
            self.failed.append((source, error))

    @property
    def status(self) -> int:
        """200 all, 202 some, 409 none of the instances were answered."""
        if not self.said:
            return 200
        return 202 if self.answered else 409

    def response(self, base: str) -> JSONResponse:
        """The Store Instances Response; the reasons in words are in headers ``Warning``.

        Parameters
        ----------
        base : URL of the resource of studies
        """
        made = JSONResponse(self._dataset(base).to_json_dict(), self.status)
        made.headers["Content-Type"] = accept.DICOM_JSON
        for words in self.said[:_WARNINGS_MAX]:
            text = words.replace('"', "'").encode("ascii", "replace").decode()[:_WARNING_LENGTH]
            made.headers.append("Warning", f'299 medpipe "{text}"')
        return made

    def _dataset(self, base: str) -> Dataset:
        found = Dataset()
        studies = {source.study_uid for source in self.answered}
        if len(studies) == 1:
            found.RetrieveURL = f"{base}/{studies.pop()}"
        if self.answered:
            found.ReferencedSOPSequence = [_referred(source) for source in self.answered]
        if self.failed:
            found.FailedSOPSequence = [_failed(_referred(s), error) for s, error in self.failed]
        if self.unnamed:
            found.OtherFailuresSequence = [_failed(Dataset(), error) for error in self.unnamed]
        return found


def _referred(source: Source) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.sop_class_uid
    item.ReferencedSOPInstanceUID = source.instance_uid
    return item


def _failed(item: Dataset, error: RequestError) -> Dataset:
    assert error.fault is not None
    item.FailureReason = REASONS[error.fault]
    return item
