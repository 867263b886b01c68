"""Which releases the service answers for, kept in step with the disk.

A champion that is promoted, or rolled back, while the service runs is taken up without a restart;
one that cannot be loaded leaves the earlier one answering, and the reason is told.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from medpipe import certificate, config, keys
from medpipe.errors import CertificateError, RequestError
from medpipe.paths import Home
from medpipe.serving import release
from medpipe.serving.predictor import Predictor
from medpipe.serving.probation import Probations

_log = logging.getLogger(__name__)


def _clock() -> datetime:
    return datetime.now(UTC)


Stamp = tuple[int, int, int]
"""Of a certificate: inode, size, time of change in ns. Equal stamps: nothing new."""


class Catalogue:
    """The predictors by workload.

    `refresh` may run in any thread; what the event loop reads is replaced whole, never changed.

    Parameters
    ----------
    folder : holds one release folder per workload
    trusted : the public keys that count for a release folder

    Attributes
    ----------
    probations : the models beside the champions, looked for apart from them
    """

    def __init__(self, folder: Path, *, trusted: Callable[[Path], Sequence[bytes]]) -> None:
        self._folder = folder
        self._trusted = trusted
        self.probations = Probations(folder, trusted=trusted)
        self._stamps: dict[str, Stamp | None] = {}
        self._missing: set[str] = set()
        self._decoders: Executor = ThreadPoolExecutor(_cores(), thread_name_prefix="decode")
        self.predictors: dict[str, Predictor] = {}
        self.problems: dict[str, str] = {}

    def refresh(self) -> None:
        """Load what is new or has changed since the last call; a few file look-ups otherwise."""
        folders = self._folders()
        if folders is None:  # a share that is away for a moment takes no model away
            return
        for folder in folders:
            stamp = _stamp(folder)
            is_known = stamp is not None and self._stamps.get(folder.name) == stamp
            if not is_known or folder.name in self.problems:
                self._load(folder)
            self._stamps[folder.name] = stamp
        self._expire()
        self._withdraw({folder.name for folder in folders})

    @property
    def names(self) -> set[str]:
        """Of all workloads that there is a release for, served or not."""
        return self.predictors.keys() | self.problems.keys()

    def predictor(self, name: str) -> Predictor:
        """The predictor of workload `name`.

        Raises
        ------
        CertificateError : there is a release, but it may not be served
        RequestError : 404, there is none
        """
        if name in self.predictors:
            return self.predictors[name]
        if name in self.problems:
            raise CertificateError(self.problems[name])
        offered = ", ".join(sorted(self.predictors)) or "none"
        raise RequestError(f"no such workload is served; there are: {offered}", status=404)

    def not_ready(self) -> str | None:
        """Why the service is not ready; None when it can answer for every release in the folder."""
        waiting = {name: why for name, why in self.problems.items() if name not in self.predictors}
        if waiting:
            return "; ".join(f"{name}: {why}" for name, why in sorted(waiting.items()))
        if not self.predictors:
            return "there is no promoted model; run `medpipe promote` and look again"
        return None

    def _folders(self) -> list[Path] | None:
        """The release folders; None where the folder around them cannot be read."""
        try:
            # A name with a dot in front is a release that is just being written.
            found = [path for path in self._folder.iterdir() if not path.name.startswith(".")]
        except OSError as error:
            if self.predictors:
                _log.warning("the releases cannot be looked at: %s", error.strerror)
            return None
        return sorted(path for path in found if path.is_dir())

    def _load(self, folder: Path) -> None:
        name = folder.name
        try:
            loaded = release.load(folder, self._trusted(folder))
        except CertificateError as error:
            if self.problems.get(name) != str(error):
                _log.error("%s: not served: %s", name, error)
            self.problems = {**self.problems, name: str(error)}
            return
        self.predictors = {**self.predictors, name: Predictor(loaded, decoders=self._decoders)}
        self.problems = {key: why for key, why in self.problems.items() if key != name}
        by = ", else ".join(loaded.session.providers)
        _log.info("%s: serving version %s, computed by %s", name, loaded.settings.version, by)

    def _expire(self) -> None:
        """Stop serving what the gate allowed for a time that is over."""
        for name, predictor in self.predictors.items():
            try:
                certificate.verify_time(predictor.release.certificate, _clock())
            except CertificateError as error:
                _log.error("%s: withdrawn: %s", name, error)
                self.predictors = {k: kept for k, kept in self.predictors.items() if k != name}
                self.problems = {**self.problems, name: str(error)}

    def _withdraw(self, present: set[str]) -> None:
        """Stop serving what has been gone for two looks; for one look it may be being replaced."""
        missing = set(self._stamps) - present
        for name in missing & self._missing:
            _log.warning("%s: withdrawn, its release is gone", name)
            self.predictors = {key: kept for key, kept in self.predictors.items() if key != name}
            self.problems = {key: why for key, why in self.problems.items() if key != name}
            del self._stamps[name]
        self._missing = missing


def at(root: Path) -> Catalogue:
    """What the service at `root` offers: the releases packaged in a bento, else the champions.

    MEDPIPE_RELEASES names another folder; its certificates must be signed by this project's key or
    by one of MEDPIPE_TRUSTED_KEYS. A key that came with the releases counts in a bento only.
    """
    home = Home(root)
    given = config.environment("MEDPIPE_RELEASES")
    packaged = root / release.PACKAGED
    if given is None and packaged.is_dir():
        return Catalogue(packaged, trusted=lambda folder: keys.trusted(None, packaged=folder))
    folder = home.champions if given is None else Path(given)
    return Catalogue(folder, trusted=lambda _: keys.trusted(home))


def _stamp(folder: Path) -> Stamp | None:
    try:
        status = (folder / certificate.FILE).stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
