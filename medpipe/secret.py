"""Secret keys: out of the environment, else out of a file that is made on first use."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from medpipe import files
from medpipe.config import environment
from medpipe.errors import DataError, ParamsError

_CHARACTERS = 32


def load(path: Path, *, variable: str, absent: str | None, damaged: str) -> bytes:
    """The key in the environment `variable`, else the one in the file at `path`.

    Parameters
    ----------
    absent : None where a missing file is made, with 32 random bytes, for its owner's eyes only;
        else what to do about it: what was made with the lost key is still there
    damaged : what to do about a file that holds no key

    Raises
    ------
    ParamsError : the variable holds fewer than 32 characters
    DataError : the file is damaged, or there is none and none may be made
    StorageError : the file cannot be written
    """
    if (given := environment(variable)) is not None:
        return _parsed(given, variable)
    if not path.exists():
        if absent is not None:
            raise DataError(f"there is no {path}, {absent}")
        _make(path)
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        raise DataError(f"{path} does not hold 64 hexadecimal digits; {damaged}")
    return bytes.fromhex(key)


def _make(path: Path) -> None:
    """A new key file, mode 0600; where two processes race, the first one's stays."""
    own = path.with_name(f".partial-{secrets.token_hex(8)}")
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            # A link appears whole or fails because the name is taken: nobody reads half a key.
            os.link(own, path)
        except FileExistsError:
            return
        finally:
            own.unlink(missing_ok=True)


def _parsed(text: str, variable: str) -> bytes:
    text = text.strip()
    if len(text) < _CHARACTERS:
        raise ParamsError(
            f"{variable} has {len(text)} characters and needs at least {_CHARACTERS}; "
            "`openssl rand -hex 32` makes a good one"
        )
    if len(text) % 2 == 0 and re.fullmatch(r"[0-9a-fA-F]+", text):
        return bytes.fromhex(text)
    return text.encode()
