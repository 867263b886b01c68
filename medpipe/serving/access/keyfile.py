"""The file of API keys: who they are for, what they may do, until when. Not the secrets.

A secret is 256 random bits. What is kept is one round of SHA-256 over it: slow hashes (bcrypt,
Argon2) are for passwords, which people choose and which can therefore be tried out; nobody tries
out 2²⁵⁶ secrets, and a slow hash would cost every request more than the model does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from medpipe import config, files
from medpipe.errors import ParamsError, StorageError
from medpipe.paths import Home
from medpipe.serving.access import caller
from medpipe.serving.access.rate import SPELLED, Rate

PREFIX = "medpipe_"
"""What every key begins with, so that scanners for secrets find one that was committed."""

_SECRET_BYTES = 32
_ID_BYTES = 6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(BaseModel):
    """One key. Several may have the same name, so that one can follow another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    sha256: str
    scopes: tuple[str, ...]
    created: AwareDatetime
    expires: AwareDatetime | None
    revoked: AwareDatetime | None = None
    rate: str | None = Field(None, pattern=SPELLED)

    def fits(self, text: str) -> bool:
        """Whether `text` is this key; takes as long whichever of its letters is wrong."""
        return hmac.compare_digest(self.sha256, _digest(text))


def place(home: Home) -> Path:
    """Where the keys are: what MEDPIPE_ACCESS_KEYS names, else the file of the project."""
    given = config.environment("MEDPIPE_ACCESS_KEYS")
    return home.access_keys if given is None else Path(given)


def identifier(text: str) -> str | None:
    """The public part of a key, by which it is looked up; None for what is spelled otherwise."""
    start, *rest = text.removeprefix(PREFIX).split("_", 1)
    return start if rest and text.startswith(PREFIX) else None


def read(path: Path) -> tuple[Key, ...]:
    """All keys in `path`, the revoked too; none where there is no file.

    Raises
    ------
    StorageError : it cannot be read, or somebody has damaged it; no hash is quoted
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Key(**one) for one in content["keys"])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StorageError(f"the file of keys cannot be read: {error.strerror}") from None
    except (ValidationError, ValueError, KeyError, TypeError):
        raise StorageError(
            "the file of keys is damaged; take it from a backup, or remove it and add the keys anew"
        ) from None


def add(
    path: Path,
    name: str,
    *,
    scopes: Iterable[str],
    lifetime: timedelta | None,
    rate: str | None = None,
) -> tuple[Key, str]:
    """A new key in the file, and its secret, which is kept nowhere.

    Parameters
    ----------
    name : of the program or person that will hold it, as the audit record names them
    lifetime : None for one that does not expire
    rate : as `Rate.of` reads it; None for the service's own

    Raises
    ------
    ParamsError : a name, scope or rate that is not allowed
    StorageError : the file is damaged or cannot be written
    """
    if not _NAME.fullmatch(name):
        raise ParamsError(
            f"a key's name has letters, digits, '.', '_' and '-', at most 64, not {name!r}"
        )
    now = datetime.now(UTC).replace(microsecond=0)
    identity = secrets.token_hex(_ID_BYTES)
    text = f"{PREFIX}{identity}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = Key(
        id=identity,
        name=name,
        sha256=_digest(text),
        scopes=caller.checked(scopes),
        created=now,
        expires=None if lifetime is None else now + lifetime,
        rate=None if rate is None else str(Rate.of(rate)),
    )
    with files.locked(path.with_suffix(".lock")):
        _write(path, [*read(path), key])
    return key, text


def revoke(path: Path, which: str) -> Key:
    """End the key with this id, or this name. It stays in the file, so that nobody can doubt it.

    Raises
    ------
    ParamsError : none in force is called so, or several are
    StorageError : the file is damaged or cannot be written
    """
    with files.locked(path.with_suffix(".lock")):
        keys = read(path)
        found = [key for key in keys if which in (key.id, key.name) and key.revoked is None]
        if len(found) != 1:
            ids = ", ".join(key.id for key in found)
            raise ParamsError(
                f"{len(found)} keys are called {which!r}; give the id of one: {ids}"
                if found
                else f"no key in force has the id or name {which!r}; see `medpipe keys list`"
            )
        ended = found[0].model_copy(update={"revoked": datetime.now(UTC).replace(microsecond=0)})
        _write(path, [ended if key.id == ended.id else key for key in keys])
    return ended


def uses_place(path: Path) -> Path:
    """Beside the keys: when each was last used, which the service writes now and then."""
    return path.with_name(f"{path.stem}-used.json")


def uses(path: Path) -> dict[str, str]:
    """Id → when it was last used, UTC, to about a minute; nothing where that is not known."""
    try:
        content = json.loads(uses_place(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def add_uses(path: Path, seen: dict[str, str]) -> None:
    """Write down when keys were used; several processes may. Raises StorageError or OSError."""
    with files.locked(uses_place(path).with_suffix(".lock")):
        known = uses(path)
        later = {key: max(when, known.get(key, "")) for key, when in seen.items()}
        files.write_json(uses_place(path), {**known, **later})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, keys: Iterable[Key]) -> None:
    content = {"keys": [key.model_dump(mode="json") for key in keys]}
    with files.new_file(path) as partial:
        # For the owner alone from the start: who can write here can let anybody in.
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
