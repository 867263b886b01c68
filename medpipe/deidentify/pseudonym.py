"""Keyed pseudonyms: an identifier has one name for ever, and only the key can tell whose.

HMAC-SHA-256 (RFC 2104) over the kind and the identifier. Without the key a pseudonym can be
neither undone nor guessed at by trying all numbers a hospital may give; with it, new data of a
known patient join the earlier ones. Losing the key loses that link: keep it, apart from the data.
"""

from __future__ import annotations

import hmac
from datetime import date, timedelta

from medpipe import config, secret
from medpipe.paths import Home
from medpipe.workload import Pseudonymise

KEY_VARIABLE = "MEDPIPE_PSEUDONYM_KEY"
KEY_FILE = "pseudonym.key"
_HEX_DIGITS = 16
"""64 bits: among a million pseudonyms a collision has odds of 1 to 37 million."""
_PREFIX = {"group": "p", "site": "s", "example": "x"}
_MAX_SHIFT_DAYS = 365


class Pseudonyms(Pseudonymise):
    """Pseudonyms under one secret key.

    Examples
    --------
    >>> Pseudonyms(b"k" * 32)("group", "4711")
    'p_073ee5b2ae853964'
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, kind: str, identifier: str) -> str:
        """The pseudonym of `identifier`: prefix and 16 hexadecimal digits, or a UID under 2.25.

        White space around an identifier is no part of it: DICOM pads values to even length.
        """
        digest = self._digest(kind, identifier.strip())
        if kind == "uid":
            # UUID-derived root, PS3.5 B.2: no registration, at most 44 characters.
            return f"2.25.{int.from_bytes(digest[:16], 'big')}"
        return f"{_PREFIX.get(kind, kind)}_{digest.hex()[:_HEX_DIGITS]}"

    def shift(self, patient_id: str, day: date) -> date:
        """`day` moved by the patient's own −365…365 days, never by none."""
        number = int.from_bytes(self._digest("shift", patient_id.strip())[:8], "big")
        days = number % (2 * _MAX_SHIFT_DAYS) - _MAX_SHIFT_DAYS
        delta = timedelta(days if days < 0 else days + 1)
        try:
            return day + delta
        except OverflowError:  # 9999-12-31 stands for "never" in some archives
            return day - delta

    def of(self, patient_id: str) -> Pseudonymise:
        """The same names, for a payload of which the source says whose it is."""
        return _OfPatient(self, patient_id)

    def check(self) -> str:
        """What tells two keys apart and gives neither away."""
        return self("check", "medpipe raw")

    def _digest(self, kind: str, identifier: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{identifier}".encode(), "sha256")


class _OfPatient(Pseudonymise):
    """Gives one patient's group and shift, whatever the header of the file calls him.

    A table may know the patient where the header is empty, wrong, or de-identified already; the
    file that is kept must agree with its row.
    """

    def __init__(self, everyone: Pseudonyms, patient_id: str) -> None:
        self._everyone = everyone
        self._patient_id = patient_id

    def __call__(self, kind: str, identifier: str) -> str:
        return self._everyone(kind, self._patient_id if kind == "group" else identifier)

    def shift(self, patient_id: str, day: date) -> date:
        return self._everyone.shift(self._patient_id, day)


def key_at_hand(home: Home) -> bytes | None:
    """The project's key where it is here; None where it is kept elsewhere, as from a service.

    Raises
    ------
    ParamsError, DataError : see `secret.load`
    """
    is_here = config.environment(KEY_VARIABLE) is not None or (home.keys / KEY_FILE).exists()
    return load_key(home, create=False) if is_here else None


def load_key(home: Home, *, create: bool = True) -> bytes:
    """The project's pseudonym key, from the environment or from its file, made on first use.

    Parameters
    ----------
    create : make a key where there is none; false where data made with the lost one are still there

    Raises
    ------
    ParamsError, DataError, StorageError : see `secret.load`
    """
    lost = (
        "and raw was made with a key that is not here; copy the key file back, set "
        f"{KEY_VARIABLE}, or remove the raw folder to ingest anew"
    )
    return secret.load(
        home.keys / KEY_FILE,
        variable=KEY_VARIABLE,
        absent=None if create else lost,
        damaged="restore it from its backup, or remove it together with the raw folders to begin "
        "with a new key",
    )
