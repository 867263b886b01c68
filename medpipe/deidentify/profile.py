"""What the Basic Application Level Confidentiality Profile asks of each DICOM element.

DICOM PS3.15 Annex E with two options: Retain Longitudinal Temporal Information with Modified Dates
(days shifted by the patient's own keyed number, times cut to the hour, because a time to the second
finds its examination in any archive) and Retain Patient Characteristics (sex, age capped at 90,
size, weight and the like; what that option would have cleaned as free text is removed). Identity of
the device, descriptions and institution are not retained.

The actions are the standard's Table E.1-1 as dicom-anonymizer ships it (edition 2026c). Where the
table leaves a choice (X/Z, X/D), what every object accepts is taken: emptied before removed, a
dummy before emptied; a sequence that may be removed is.
"""

from __future__ import annotations

from typing import Literal

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.datadict import dictionary_has_tag, dictionary_VR

Action = Literal["X", "Z", "D", "U", "K", "S"]
"""Remove, empty, replace by a dummy, replace the UID, keep a characteristic, shift a time."""
AGE_CAP_YEARS = 90
"""Ages above 89 become one category: 45 CFR 164.514(b)(2)(i)(C)."""
METHOD = (
    "medpipe: PS3.15 2026c Basic Profile",
    "dates shifted by whole days per patient, times cut to the hour",
    "patient characteristics kept, age capped at 90 years",
)
OPTIONS = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""PS3.16 CID 7050."""
CHARACTERISTICS = frozenset(
    {
        0x00100040,  # PatientSex
        0x00101010,  # PatientAge
        0x00101020,  # PatientSize
        0x00101030,  # PatientWeight
        0x00102160,  # EthnicGroup
        0x001021A0,  # SmokingStatus
        0x001021C0,  # PregnancyStatus
        0x00102203,  # PatientSexNeutered
    }
)
"""K in column "Rtn. Pat. Chars. Opt." of Table E.1-1."""
_BIRTH_DATES = frozenset({0x00100030, 0x00100032, 0x00100033, 0x00100034, 0x00100035})
_TIMES = frozenset({"DA", "DT", "TM"})
FULL_PLANES = (0x50, 0x60)
"""Curves and overlays, groups 50xx and 60xx: drawn or written upon the image, removed whole."""
DUMMIES: dict[str, bytes] = {
    "AS": b"000Y",
    "DA": b"19000101",
    "DT": b"19000101",
    "TM": b"00",
    "UR": b"http://anonymized.invalid",
    **dict.fromkeys(("DS", "IS"), b"0"),
    **dict.fromkeys(("SS", "US"), bytes(2)),
    **dict.fromkeys(("AT", "FL", "SL", "UL"), bytes(4)),
    **dict.fromkeys(("FD", "SV", "UV", "OB", "OW", "OF", "OD", "OL", "OV"), bytes(8)),
}


def action(tag: int, vr: str) -> Action | None:
    """What to do with an element of value representation `vr`; None keeps it.

    A sequence that is kept is entered: what is nested in it has actions of its own.
    """
    if tag in CHARACTERISTICS:
        return "K"
    # Modified dates: column "Rtn. Long. Modif. Dates Opt." has C for every time but those of birth.
    # The few times that the table does not name are moved as well.
    if vr in _TIMES and tag not in _BIRTH_DATES:
        return "S"
    return _ACTIONS.get(tag)


def _actions() -> dict[int, Action]:
    """Table E.1-1 with its choices made: tag → action, without the repeating groups."""
    chosen: dict[Action, tuple[list[tuple[int, ...]], ...]] = {
        "X": (table.X_TAGS,),
        "Z": (table.Z_TAGS, table.X_Z_TAGS),
        "D": (table.D_TAGS, table.Z_D_TAGS, table.X_D_TAGS, table.X_Z_D_TAGS),
        "U": (table.U_TAGS,),
    }
    # X/Z/U* (references to other images) is not listed: such a sequence is entered like any other,
    # and the UIDs in it are replaced by their own rows.
    found = {
        tag[0] << 16 | tag[1]: action
        for action, lists in chosen.items()
        for tags in lists
        for tag in tags
        if len(tag) == 2
    }
    removable = (*table.X_Z_TAGS, *table.X_D_TAGS, *table.X_Z_D_TAGS)
    for tag in (group << 16 | element for group, element in removable):
        if dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ":
            found[tag] = "X"
    return found


_ACTIONS = _actions()
