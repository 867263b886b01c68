"""The models on probation, beside the champions: they can neither stop them nor change an answer.

They are kept in step with the disk as the champions are, by a task of their own. One that cannot be
loaded, fails, comes late or says something else too often is not asked any more; that costs the
clients nothing, because the champion is there for every question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from medpipe import probation
from medpipe.audit.chain import Chain
from medpipe.errors import CertificateError
from medpipe.paths import PROBATION
from medpipe.probation import Stated, Tally, Terms
from medpipe.serving import release as releases
from medpipe.serving.account import Account
from medpipe.serving.predictor import Answer, Predictor, Values
from medpipe.serving.release import Release

PATIENCE = 4.0
"""Times `Terms.latency_p95_ms` that a canary has; then the champion answers instead."""
_THREADS = 2
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Candidate:
    """One model on probation.

    Parameters
    ----------
    folder : its release, with what it is there for

    Attributes
    ----------
    tally : what this process has counted
    dropped : questions that it was not asked silently, because too many waited
    stopped : why it is not asked any more; None while it is
    """

    def __init__(self, stated: Stated, predictor: Predictor, folder: Path) -> None:
        self.stated, self.predictor, self._folder = stated, predictor, folder
        self.tally, self.dropped = Tally(), 0
        self.stopped: str | None = None
        self._until = datetime.fromisoformat(stated.terms.until)

    @property
    def terms(self) -> Terms:
        """On which it is here."""
        return self.stated.terms

    def is_asked(self, now: datetime) -> bool:
        """Whether it takes questions now."""
        return self.stopped is None and now < self._until

    def takes(self, digest: str, chain: Chain) -> bool:
        """Whether it answers the question with this digest aloud: the same question, the same way.

        Drawn with a key, so that nobody who sends a question can choose who answers it.
        """
        drawn = chain.mac("canary", f"{self.stated.certificate} {digest}".encode())
        return int(drawn[:16], 16) < self.terms.share * 2**64

    def count(self, tally: Tally) -> None:
        """Go on with `tally`, and stop where it breaks a bound for certain."""
        self.tally = tally
        if self.stopped is None and (broken := probation.surely_broken(tally, self.terms)):
            self.stop("; ".join(broken))
            try:
                probation.stop(self._folder, "; ".join(broken), datetime.now(UTC))
            except OSError as error:  # each process then finds out for itself
                _log.warning("%s cannot be written: %s", self._folder, error.strerror)

    def stop(self, why: str) -> None:
        """Ask it nothing any more."""
        self.stopped = why
        version = self.predictor.release.settings.version
        _log.error("%s: version %s on probation stopped: %s", self.stated.workload, version, why)

    def as_json(self) -> dict[str, Any]:
        """How it stands, as this process knows it."""
        version = str(self.predictor.release.settings.version)
        known = {"version": version, "mode": self.terms.mode, "share": self.terms.share}
        counts = {**vars(self.tally), "dropped": self.dropped}
        return {**known, "until": self.terms.until, **counts, "stopped": self.stopped}


@dataclass(frozen=True)
class Turn:
    """A question that both models are asked: one aloud, and then the other silently.

    Parameters
    ----------
    is_aloud : whether the candidate has answered aloud
    failed : why it has not, though it was its turn; the champion has answered then
    """

    candidate: Candidate
    champion: Predictor
    payload: bytes
    is_aloud: bool = False
    failed: BaseException | None = None


class Probations:
    """The candidates by workload.

    `refresh` may run in any thread; what the event loop reads is replaced whole, never changed.

    Parameters
    ----------
    champions : the folder of the champions, in which `PROBATION` is
    trusted : the public keys that count for a release folder
    """

    def __init__(self, champions: Path, *, trusted: Callable[[Path], Sequence[bytes]]) -> None:
        self._folder, self._trusted = champions / PROBATION, trusted
        self._stamps: dict[str, tuple[int, int]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="beside")
        self.candidates: Mapping[str, Candidate] = {}

    def refresh(self) -> None:
        """Load what is new since the last call, drop what is gone, stop what another stopped."""
        paths = self._folder.glob(f"*/{probation.FILE}")
        # A name with a dot in front is one that is just being written.
        found = {p.parent.name: p for p in paths if not p.parent.name.startswith(".")}
        kept = {name: each for name, each in self.candidates.items() if name in found}
        stamps = {}
        for name, path in found.items():
            try:
                status = path.stat()
            except OSError:  # removed while this looked
                kept.pop(name, None)
                continue
            stamps[name] = (status.st_ino, status.st_mtime_ns)
            if self._stamps.get(name) != stamps[name]:
                kept.pop(name, None)
                if (loaded := self._loaded(path.parent)) is not None:
                    kept[name] = loaded
        self._stamps, self.candidates = stamps, kept
        for name, candidate in kept.items():
            why = probation.stopped(self._folder / name)
            if why is not None and candidate.stopped is None:
                candidate.stop(why)

    def beside(self, champion: Release) -> Candidate | None:
        """The candidate that is asked beside `champion`; None where there is none."""
        found = self.candidates.get(champion.settings.workload)
        if found is None or found.stated.beside != champion.certificate_sha256:
            return None
        return found if found.is_asked(datetime.now(UTC)) else None

    async def ask(
        self, champion: Predictor, payload: bytes, account: Account, chain: Chain, *, explain: bool
    ) -> tuple[Answer, Values, Turn | None]:
        """The answer for `payload`, and how the other model is to be asked once it is given.

        Raises
        ------
        RequestError : see `Predictor.ask`; only ever the champion's
        """
        candidate = self.beside(champion.release)
        if candidate is None:
            return (
                *await champion.ask(payload, explain=explain, answer_id=account.answer_id),
                None,
            )
        failed = None
        if candidate.terms.share and candidate.takes(await account.digest(), chain):
            asked = candidate.predictor.ask(payload, explain=explain, answer_id=account.answer_id)
            limit_s = PATIENCE * candidate.terms.latency_p95_ms / 1000
            outcome = await outcome_of(asyncio.wait_for(asked, limit_s))
            if not isinstance(outcome, BaseException):
                account.reached(candidate.predictor.release)
                return (*outcome, Turn(candidate, champion, payload, is_aloud=True))
            failed = outcome
        answer = await champion.ask(payload, explain=explain, answer_id=account.answer_id)
        is_shadow = candidate.terms.mode == "shadow"
        turn = Turn(candidate, champion, payload, failed=failed) if is_shadow or failed else None
        return (*answer, turn)

    def _loaded(self, folder: Path) -> Candidate | None:
        name = folder.name
        try:
            stated = probation.read(folder, self._trusted(folder))
            loaded = releases.load(folder, self._trusted(folder))
            if (stated.workload, stated.certificate) != (name, loaded.certificate_sha256):
                raise CertificateError(f"{folder / probation.FILE} is that of another model")
        except CertificateError as error:
            _log.error("%s: no model is on probation: %s", name, error)
            return None
        version, mode = loaded.settings.version, stated.terms.mode
        by = ", else ".join(loaded.session.providers)
        _log.info("%s: version %s is on probation, %s, computed by %s", name, version, mode, by)
        return Candidate(stated, Predictor(loaded, decoders=self._threads), folder)


async def outcome_of(work: Coroutine[Any, Any, T]) -> T | BaseException:
    """What `work` gives, or its error, whatever it is: a candidate's is never the client's."""
    found: tuple[T | BaseException] = await asyncio.gather(work, return_exceptions=True)
    return found[0]
