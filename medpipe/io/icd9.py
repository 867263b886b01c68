"""ICD-9-CM diagnosis codes: their form, their three-digit category, and clinical groups.

Hospitals write codes with and without leading zeros and trailing digits: ``038.9``, ``38``,
``250.6``, ``V58.67``, ``E909``. ICD-10 codes are another system; most are told apart by their form.

References
----------
Centers for Disease Control and Prevention, ICD-9-CM tabular list (chapters and their ranges).
Strack et al. 2014, BioMed Research International 2014:781670, table 2: signs and symptoms of one
organ (785 to 788) go with that organ, diabetes (250) is a group of its own.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(\d{1,3})(?:\.\d{0,2})?")
_LETTERED = re.compile(r"(V\d{2}|E\d{3})(?:\.\d{0,2})?")
_DIABETES = 250
_OF_AN_ORGAN = {785: "circulatory", 786: "respiratory", 787: "digestive", 788: "genitourinary"}
_CHAPTERS = (
    (139, "infection"),
    (239, "neoplasm"),
    (279, "endocrine"),
    (289, "blood"),
    (319, "mental"),
    (389, "nervous"),
    (459, "circulatory"),
    (519, "respiratory"),
    (579, "digestive"),
    (629, "genitourinary"),
    (679, "pregnancy"),
    (709, "skin"),
    (739, "musculoskeletal"),
    (759, "congenital"),
    (779, "perinatal"),
    (799, "symptoms"),
    (999, "injury"),
)
"""Last category of each chapter, and its name."""
GROUPS = ("diabetes", *(name for _, name in _CHAPTERS), "other contact", "external cause")


def category(code: str) -> str:
    """The three-digit category of `code`: ``250.83`` → ``250``, ``38`` → ``038``, ``V58.67`` → V58.

    Raises
    ------
    ValueError : not the form of an ICD-9-CM code; the text is not repeated
    """
    text = code.strip().upper()
    if found := _NUMBER.fullmatch(text):
        number = found[1].zfill(3)
        if number != "000":
            return number
    elif found := _LETTERED.fullmatch(text):
        return found[1]
    raise ValueError("not an ICD-9-CM code such as 250.83, V58.67 or E909")


def group(code: str) -> str:
    """The clinical group of `code`, one of `GROUPS`; raises as `category` does."""
    found = category(code)
    if found[0] == "V":
        return "other contact"
    if found[0] == "E":
        return "external cause"
    number = int(found)
    if number == _DIABETES:
        return "diabetes"
    if number in _OF_AN_ORGAN:
        return _OF_AN_ORGAN[number]
    return next(name for last, name in _CHAPTERS if number <= last)
