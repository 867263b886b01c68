"""Concepts of terminologies, as reports name what they are about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """A concept.

    Parameters
    ----------
    value, scheme : of the code; the scheme as DICOM spells it: SCT, RADLEX, DCM, UCUM, LN
    meaning : in words, as the terminology spells it, at most 64 characters
    """

    value: str
    scheme: str
    meaning: str


IMAGING = Code("363679005", "SCT", "Imaging procedure")
