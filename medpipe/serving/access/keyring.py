"""The API keys in force, in step with their file while the service runs."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from medpipe.errors import AccessError, MedpipeError, StorageError
from medpipe.serving.access import keyfile
from medpipe.serving.access.caller import Caller
from medpipe.serving.access.keyfile import Key
from medpipe.serving.access.rate import Rate

_log = logging.getLogger(__name__)
_NOBODY = Key(id="", name="", sha256="0" * 64, scopes=(), created=datetime.now(UTC), expires=None)
"""Compared with what has no such id, so that an id takes no less time to guess than a secret."""

_Stamp = tuple[int, int, int]


class Keyring:
    """Callers by key.

    `look` may run in any thread; what the event loop reads is replaced whole, never changed.

    Parameters
    ----------
    path : the file of `keyfile`
    expected : whether its absence is a fault, because somebody has said that it is there
    rate : of keys that have none of their own
    """

    def __init__(self, path: Path, *, expected: bool, rate: Rate) -> None:
        self._path = path
        self._rate = rate
        self._stamp: _Stamp | None = None
        self._keys: dict[str, tuple[Key, Caller]] = {}
        self._used: dict[str, float] = {}
        self.is_set_up = expected
        self.problem: str | None = None

    def look(self) -> None:
        """Read the file if it has changed since the last call; one look-up otherwise."""
        try:
            stamp = _stamp(self._path)
            if stamp is None and self.is_set_up:
                raise StorageError("the file of keys is gone; put it back, or `medpipe keys add`")
            if stamp == self._stamp and self.problem is None:
                return
            keys = keyfile.read(self._path)
        except StorageError as error:
            # Nobody is let in by keys that may have been revoked in a file that cannot be read.
            if self.problem != str(error):
                _log.error("%s", error)
            self.problem, self._keys, self._stamp = str(error), {}, None
            self.is_set_up = True
            return
        self._keys = {key.id: (key, self._caller(key)) for key in keys if key.revoked is None}
        # Where there have ever been keys, the end of the last one does not open the door.
        self.is_set_up = self.is_set_up or bool(keys)
        self.problem, self._stamp = None, stamp
        _log.info("%d API keys are in force", len(self._keys))

    def caller(self, text: str) -> Caller:
        """Whose key `text` is.

        Raises
        ------
        AccessError : 401, nobody's, or one that has expired; 503, the file cannot be read
        """
        if self.problem is not None:
            raise AccessError(self.problem, status=503, retry_after_s=5)
        key, caller = self._keys.get(keyfile.identifier(text) or "", (_NOBODY, None))
        if not key.fits(text) or caller is None:
            raise AccessError("this is not a valid API key", status=401)
        now = time.time()
        if key.expires is not None and key.expires.timestamp() <= now:
            raise AccessError(
                f"this API key has expired on {key.expires:%Y-%m-%d}; have a new one made "
                "(`medpipe keys add`)",
                status=401,
            )
        self._used[key.id] = now
        return caller

    def write_uses(self) -> None:
        """Write down which keys were used since the last call; a folder for reading only is left.

        Not called by a request: that would be a write to disk for each.
        """
        seen, self._used = self._used, {}
        if not seen:
            return
        times = {key: _told(when) for key, when in seen.items()}
        try:
            keyfile.add_uses(self._path, times)
        except (MedpipeError, OSError):
            _log.debug("the uses of keys cannot be written down beside %s", self._path)

    def _caller(self, key: Key) -> Caller:
        rate = self._rate if key.rate is None else Rate.of(key.rate)
        return Caller(f"key:{key.name}", frozenset(key.scopes), rate)


def _told(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(f"the file of keys cannot be looked at: {error.strerror}") from None
    return (status.st_ino, status.st_size, status.st_mtime_ns)
