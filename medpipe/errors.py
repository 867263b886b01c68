"""Every error that medpipe raises on purpose.

Each message names the value, the limit, the file or row, and what to do about it, and never a
patient identifier: inside ingest a row is named by its number or its pseudonym.

    MedpipeError
    ├── ParamsError        params.yaml or an argument is wrong
    │   └── DivergedError  a training's loss was not finite
    ├── SourceError        a source is not where, or not what, it should be
    ├── UnreadableError    one item of a source cannot be used (it is quarantined, the rest goes on)
    ├── DataError          the examples cannot be trained on (one class, one patient, failed rules)
    ├── MissingStageError  an earlier stage has not been run, or was interrupted
    ├── StorageError       the disk is full or not writable
    ├── TrackingError      MLflow cannot be reached or lacks what was asked for
    ├── AuditError        the record of answers cannot be written, or is not whole
    ├── OutcomeError       what was told of answers cannot be so (nothing of it was put down)
    ├── CertificateError   a certificate is missing, broken, or not for these files
    ├── RequestError       a request to the service that cannot be answered (carries an HTTP status)
    │   └── ScoreError     the model gives no finite score for what was sent
    ├── AccessError        a request from someone who may not ask it (carries an HTTP status)
    └── OverloadedError    the service has as many requests waiting as it may
"""

from collections.abc import Sequence
from typing import Literal

Fault = Literal["format", "coding", "broken", "kind", "content", "size"]
"""Why an item cannot be used: not a format that is read; compressed in a way that is not read;
empty, truncated or undecodable; made by a kind of device that the workload is not about; readable,
but not what the workload is about, or too small to show it; larger than may be decoded."""

_SAID = 20
"""Problems that one message lists."""

Problem = tuple[str, str]
"""Where in a record (JSON Pointer, RFC 6901; "" is the whole), and what is wrong there."""


class MedpipeError(Exception):
    """Base of all; its text is written for the person who has to act."""


class ParamsError(MedpipeError):
    """A parameter is unknown, of the wrong type or out of its range."""


class DivergedError(ParamsError):
    """A loss was not finite: this learning rate is too high for this network and these data."""


class SourceError(MedpipeError):
    """A source is missing, empty, or not laid out as its reader expects."""


class UnreadableError(MedpipeError):
    """One item cannot be used; the reason goes into the quarantine list.

    Parameters
    ----------
    message : the reason, which names no one
    fault : what the service tells a caller to change
    problems : of a record, what is wrong in which place
    """

    def __init__(
        self, message: str, *, fault: Fault = "broken", problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message)
        self.fault: Fault = fault
        self.problems = problems


class DataError(MedpipeError):
    """The data as a whole cannot carry a model."""


class MissingStageError(MedpipeError):
    """The output of an earlier stage is not there or not whole."""


class StorageError(MedpipeError):
    """The disk is full, or a folder cannot be written."""


class TrackingError(MedpipeError):
    """The MLflow store cannot be reached, or lacks a run, a version or an alias."""


class AuditError(MedpipeError):
    """The record of answers cannot be reached or written, or is not what was written."""


class OutcomeError(MedpipeError):
    """What was told of answers cannot be so, and nothing of it was put down.

    Parameters
    ----------
    problems : number of the row, and what is wrong with it
    """

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        listed = [f"row {row}: {why}" if row else why for row, why in problems[:_SAID]]
        more = [f"and {len(problems) - _SAID} rows more"] if len(problems) > _SAID else []
        super().__init__("\n".join(["nothing was put down", *listed, *more]))
        self.problems = tuple(problems)


class CertificateError(MedpipeError):
    """A certificate is missing, forged, or names other files than those at hand."""


class RequestError(MedpipeError):
    """A request that cannot be answered.

    Parameters
    ----------
    message : what was wrong and what to send instead
    status : the HTTP status, 400…499
    fault : of the uploaded item; None where something else was wrong
    problems : of a record, what is wrong in which place
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        fault: Fault | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.fault = fault
        self.problems = problems


class ScoreError(RequestError):
    """The model gives no finite score for an example: its own fault, not that of who asks."""


class AccessError(MedpipeError):
    """A request whose sender is not known, may not ask this, or asks too often.

    Parameters
    ----------
    message : what was wrong and what to do; never a part of what was shown as a credential
    status : 401 not known, 403 known and not allowed, 429 too often, 503 cannot be found out now
    challenges : values of WWW-Authenticate, RFC 9110 section 11.6.1
    retry_after_s : when to come back
    """

    def __init__(
        self,
        message: str,
        *,
        status: Literal[401, 403, 429, 503],
        challenges: tuple[str, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.challenges = challenges
        self.retry_after_s = retry_after_s


class OverloadedError(MedpipeError):
    """As many requests are waiting as may; the caller should come back in `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
