"""Words of a hospital encounter, and the numbers that stand for them in published data.

The numbers are those of the 130 US hospitals (Strack et al. 2014, doi:10.1155/2014/781670), as its
file ``IDs_mapping.csv`` explains them; no word is what it calls null, not mapped or not available.
"""

from __future__ import annotations

from collections.abc import Mapping

ADMISSION_TYPES = {
    **{"1": "emergency", "2": "urgent", "3": "elective", "4": "newborn", "7": "trauma centre"},
    **dict.fromkeys(("5", "6", "8"), ""),
}
ADMISSION_SOURCES = {
    **{"1": "physician", "2": "clinic", "3": "health plan", "4": "another hospital"},
    **{"5": "skilled nursing facility", "6": "another facility", "7": "emergency room"},
    **{"8": "court or police", "10": "critical access hospital", "11": "normal delivery"},
    **{"12": "premature delivery", "13": "sick baby", "14": "delivery elsewhere"},
    **{"18": "another home health agency", "19": "same home health agency"},
    **{"22": "this hospital", "23": "born here", "24": "born elsewhere"},
    **{"25": "ambulatory surgery", "26": "hospice"},
    **dict.fromkeys(("9", "15", "17", "20", "21"), ""),
}
DISPOSITIONS = {
    **{"1": "home", "2": "short-term hospital", "3": "skilled nursing facility"},
    **{"4": "intermediate care", "5": "other inpatient care", "6": "home with care"},
    **{"7": "against advice", "8": "home with infusions", "9": "inpatient here"},
    **{"10": "neonatal aftercare", "11": "died", "12": "still a patient", "13": "hospice at home"},
    **{"14": "hospice facility", "15": "swing bed", "16": "outpatient elsewhere"},
    **{"17": "outpatient here", "22": "rehabilitation", "23": "long-term hospital"},
    **{"24": "nursing facility (Medicaid)", "27": "federal facility", "28": "psychiatric hospital"},
    **{"29": "critical access hospital", "30": "other institution"},
    **dict.fromkeys(("19", "20", "21"), "died in hospice care"),
    **dict.fromkeys(("18", "25", "26"), ""),
}
RACES = ("Caucasian", "AfricanAmerican", "Asian", "Hispanic", "Other")
"""As registered in the reference data."""
PAYERS = (
    *("MC", "MD", "HM", "BC", "CP", "SP", "UN", "CM", "OG", "PO", "DM", "CH", "WC", "OT", "MP"),
    *("SI", "FR"),
)
"""As published, which explains none: MC is Medicare, MD Medicaid, SP who pays himself."""
ANTIDIABETICS = (
    *("metformin", "repaglinide", "nateglinide", "chlorpropamide", "glimepiride"),
    *("acetohexamide", "glipizide", "glyburide", "tolbutamide", "pioglitazone", "rosiglitazone"),
    *("acarbose", "miglitol", "troglitazone", "tolazamide", "insulin", "glyburide_metformin"),
    *("glipizide_metformin", "glimepiride_pioglitazone", "metformin_rosiglitazone"),
    "metformin_pioglitazone",
)
"""Drugs against diabetes that anybody was given; examide and citoglipton nobody was."""


def words(numbers: Mapping[str, str]) -> tuple[str, ...]:
    """The words of one of the tables above, each once, in its order."""
    return tuple(dict.fromkeys(word for word in numbers.values() if word))
