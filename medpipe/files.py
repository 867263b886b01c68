"""Files and folders that are either whole or not there.

Whatever is killed or runs out of disk while writing leaves the earlier content in place and, at
most, a folder whose name begins with ``.partial-``, which the next write to the same place removes.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medpipe.errors import MissingStageError, StorageError

_CHUNK = 1 << 20
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EACCES: "permission denied; make the folder writable for this user",
    errno.EPERM: "permission denied; make the folder writable for this user",
    errno.EROFS: "the file system is read-only; use a project folder that can be written",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _REASONS:
            raise StorageError(f"cannot write {path}: {_REASONS[error.errno]}") from error
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the place of `path` when the block ends without an error."""
    partial = path.with_name(f".partial-{path.name}")
    with explained(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            _sync_tree(partial)
            if path.exists():
                shutil.rmtree(path)
            partial.rename(path)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends without an error."""
    partial = path.with_name(f".partial-{path.name}")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            _sync(partial)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` as a lock between processes of one machine; waits for whoever holds it.

    The system lets go of it when the holder ends, however it ends: a kill leaves nothing to clear.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_abandoned(path: Path) -> bool:
    """Whether `path` was once locked on this machine, and whoever held it has ended."""
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def ensure_room(folder: Path, *, mib: int) -> None:
    """Raise StorageError unless `mib` can be written in `folder`: before long work, not after."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.posix_fallocate(probe.fileno(), 0, mib * _CHUNK)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON with sorted keys, whole or not at all. NaN is refused."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with new_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, *, made_by: str) -> Any:
    """The JSON in `path`.

    Raises
    ------
    MissingStageError : it is not there or not whole; the message says which command makes it
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingStageError(f"{path} is not there; run `{made_by}` first") from None
    except json.JSONDecodeError as error:
        raise MissingStageError(f"{path} is not whole ({error}); run `{made_by}` again") from None


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
