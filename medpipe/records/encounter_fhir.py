"""How FHIR says what is known of a hospital encounter on the day of discharge.

Codes of HL7 and of the National Uniform Billing Committee (UB-04), whose numbers the reference data
were made from; its code sets belong to the American Hospital Association. What FHIR cannot say in
the sense of the reference data is left out: the payer (codes of the reference data alone),
laboratory tests (an Observation is an analyte, not a test), and how a drug's dose was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from medpipe.io.fhir.elements import Coding
from medpipe.io.fhir.episode import (
    Days,
    Diagnoses,
    Diagnosis,
    Given,
    Procedures,
    Substances,
    Visits,
)
from medpipe.io.fhir.finders import Age, Coded, Codes, Highest
from medpipe.io.fhir.mapping import FhirMap
from medpipe.io.fhir.units import Scale, units
from medpipe.records.encounter import ADMISSION_SOURCES, ADMISSION_TYPES, DISPOSITIONS

_HL7 = "http://terminology.hl7.org/CodeSystem"
_NUBC = "https://www.nubc.org/CodeSystem"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
_OMB = "urn:oid:2.16.840.1.113883.6.238"
_ICD9 = ("http://hl7.org/fhir/sid/icd-9-cm", "http://hl7.org/fhir/sid/icd-9-cm/diagnosis")


def _coded(system: str, words: Mapping[str, str]) -> dict[Coding, str]:
    return {(system, code): word for code, word in words.items()}


_SEXES = _coded("", {"male": "M", "female": "F"})
_AGES = tuple((low, f"[{low}-{low + 10})") for low in range(0, 100, 10))
_RACES = _coded(
    _OMB,
    {
        **{"2106-3": "Caucasian", "2054-5": "AfricanAmerican", "2028-9": "Asian"},
        **{"1002-5": "Other", "2076-8": "Other", "2131-1": "Other"},
    },
)
_URGENCY = {
    **_coded(f"{_HL7}/v3-ActPriority", {"EM": "emergency", "UR": "urgent", "EL": "elective"}),
    **_coded(
        f"{_NUBC}/PriorityTypeOfAdmitOrVisit",
        {code: ADMISSION_TYPES[code] for code in ("1", "2", "3", "4")} | {"5": "trauma centre"},
    ),
}
_ORIGINS = {
    **_coded(
        f"{_HL7}/admit-source",
        {
            **{"gp": "physician", "mp": "physician", "outp": "clinic", "emd": "emergency room"},
            **{"hosp-trans": "another hospital", "nursing": "skilled nursing facility"},
            **{"born": "born here", "psych": "another facility", "rehab": "another facility"},
        },
    ),
    **_coded(
        f"{_NUBC}/PointOfOrigin",
        {code: ADMISSION_SOURCES[code] for code in ("1", "2", "4", "5", "6", "8")},
    ),
}
_DESTINATIONS = {
    **_coded(
        f"{_HL7}/discharge-disposition",
        {
            **{"home": "home", "snf": "skilled nursing facility", "exp": "died"},
            **{"hosp": "hospice facility", "rehab": "rehabilitation"},
            **{"psy": "psychiatric hospital", "aadvice": "against advice"},
        },
    ),
    **_coded(
        f"{_NUBC}/PatDischargeStatus",
        {
            **{f"0{number}": DISPOSITIONS[str(number)] for number in range(1, 8)},
            **{"20": "died", "43": "federal facility", "50": "hospice at home"},
            **{"51": "hospice facility", "61": "swing bed", "62": "rehabilitation"},
            **{"63": "long-term hospital", "64": "nursing facility (Medicaid)"},
            **{"65": "psychiatric hospital", "66": "critical access hospital"},
            **{"70": "other institution"},
        },
    ),
}
_GLUCOSE = (
    Codes(("2345-7",), units({"mg/dL": 1, "g/L": 100})),
    Codes(("14749-6",), units({"mmol/L": "18.0156"})),
)
# NGSP % from IFCC mmol/mol by the master equation, https://ngsp.org/ifcc.asp
_IFCC = Scale(Decimal("0.09148"), Decimal("2.152"))
_A1C = (Codes(("4548-4",), units({"%": 1})), Codes(("59261-8",), {"mmol/mol": _IFCC}))
_DIABETES_DRUGS = "A10"

DISCHARGE = FhirMap(
    columns=(
        Age("age_band", _AGES),
        Coded("sex", "Patient", ("gender",), _SEXES),
        Coded(
            "race",
            "Patient",
            ("extension", f"@{_US_CORE}/us-core-race", "extension", "@ombCategory", "valueCoding"),
            _RACES,
        ),
        Coded("admission_type", "Encounter", ("priority",), _URGENCY),
        Coded("admission_source", "Encounter", ("hospitalization", "admitSource"), _ORIGINS),
        Coded(
            "discharge_disposition",
            "Encounter",
            ("hospitalization", "dischargeDisposition"),
            _DESTINATIONS,
        ),
        Days("stay_days"),
        Procedures("procedures"),
        Substances("medications"),
        Visits("prior_outpatient_visits", ("AMB",)),
        Visits("prior_emergency_visits", ("EMER",)),
        Visits("prior_inpatient_stays", ("IMP", "ACUTE", "NONAC")),
        Diagnoses("diagnoses"),
        *(Diagnosis(f"diagnosis_{place}", place, _ICD9) for place in (1, 2, 3)),
        Highest("glucose", _GLUCOSE, ((300, ">300"), (200, ">200")), "Norm"),
        Highest("a1c", _A1C, ((8, ">8"), (7, ">7")), "Norm"),
        Given("diabetes_drug", _DIABETES_DRUGS),
    ),
    # Orders of the discharge are written, and the discharge is begun, on the day of the question.
    hooks=("patient-view", "order-select", "encounter-discharge"),
)
