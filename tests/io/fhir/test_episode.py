"""What a chart states of an encounter on the day of discharge."""

import pytest
from bundles import bundle, encounter, observation, patient

from medpipe import workloads
from medpipe.io.fhir.chart import Chart, entries
from medpipe.io.fhir.mapping import stated
from medpipe.records import record

READMISSION = workloads.get("readmission")
HERE = {"subject": {"reference": "Patient/doe"}, "encounter": {"reference": "Encounter/stay"}}
STAY = {"start": "2024-03-10T22:15:00+01:00", "end": "2024-03-16T09:00:00+01:00"}
ICD9 = "http://hl7.org/fhir/sid/icd-9-cm"
WHOLE = ("Procedure", "MedicationAdministration", "MedicationRequest", "Encounter")


def read(*resources, whole=(), named=None, **about):
    this = encounter(period=STAY, status="finished", **about)
    chart = Chart(
        entries(bundle(this, *resources)),
        codes=READMISSION.fhir.codes,
        complete=whole,
        encounter=named,
    )
    return stated(chart, READMISSION.fhir, record.asked(READMISSION))


def coded(system, code):
    return {"coding": [{"system": system, "code": code}]}


def condition(name, code, system=ICD9):
    return {"resourceType": "Condition", "id": name, "code": coded(system, code), **HERE}


def given(name, atc, kind="MedicationAdministration"):
    where = "context" if kind == "MedicationAdministration" else "encounter"
    return {
        "resourceType": kind,
        "id": name,
        "status": "completed",
        "subject": HERE["subject"],
        where: HERE["encounter"],
        "medicationCodeableConcept": coded("http://www.whocc.no/atc", atc) if atc else {},
    }


def test_days_and_words_of_the_encounter_are_those_of_the_reference_data():
    nubc = "https://www.nubc.org/CodeSystem"
    found = read(
        patient(),
        priority=coded("http://terminology.hl7.org/CodeSystem/v3-ActPriority", "EM"),
        hospitalization={
            "admitSource": coded(f"{nubc}/PointOfOrigin", "4"),
            "dischargeDisposition": coded(f"{nubc}/PatDischargeStatus", "03"),
        },
    ).record
    assert found == {
        **{"age_band": "[70-80)", "sex": "F", "stay_days": 6, "admission_type": "emergency"},
        **{"admission_source": "another hospital"},
        "discharge_disposition": "skilled nursing facility",
    }


def test_race_is_read_from_us_core():
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
    black = {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2054-5"}
    extension = [{"url": url, "extension": [{"url": "ombCategory", "valueCoding": black}]}]
    assert read(patient(extension=extension)).record["race"] == "AfricanAmerican"


def test_diagnoses_come_in_their_rank_at_discharge():
    role = "http://terminology.hl7.org/CodeSystem/diagnosis-role"
    listed = [
        {"condition": {"reference": f"Condition/{n}"}, "rank": rank, "use": coded(role, use)}
        for n, rank, use in (("a", 2, "DD"), ("b", 1, "DD"), ("c", 1, "AD"), ("d", 3, "DD"))
    ]
    icd10 = condition("d", "E11.9", "http://hl7.org/fhir/sid/icd-10-cm")
    found = read(
        condition("a", "250.02"), condition("b", "428.0"), condition("c", "786.5"), icd10,
        diagnosis=listed,
    )  # fmt: skip
    assert found.record["diagnosis_1"] == "428.0"
    assert found.record["diagnosis_2"] == "250.02"
    assert "diagnosis_3" not in found.record
    assert found.record["diagnoses"] == 3
    assert "left aside: diagnosis without one code of the system that is asked for (1)" in (
        found.notes
    )


@pytest.mark.parametrize(
    ("loinc", "value", "unit", "column", "word"),
    [
        ("4548-4", 7.0, "%", "a1c", "Norm"),
        ("4548-4", 7.1, "%", "a1c", ">7"),
        ("59261-8", 75, "mmol/mol", "a1c", ">8"),
        ("2345-7", 201, "mg/dL", "glucose", ">200"),
        ("14749-6", 16.7, "mmol/L", "glucose", ">300"),
    ],
)
def test_the_highest_value_of_the_stay_decides(loinc, value, unit, column, word):
    lower = observation(loinc, value / 2, unit, hour=3)
    assert read(observation(loinc, value, unit), lower).record[column] == word


def test_a_value_of_another_year_is_not_of_this_stay():
    old = observation("4548-4", 9, "%", effectiveDateTime="2023-03-11")
    assert "a1c" not in read(old).record


@pytest.mark.parametrize(
    ("drugs", "whole", "medications", "diabetes"),
    [
        ((), (), None, None),
        ((), WHOLE, 0, False),
        (("A10BA02", "A10BA02", "C03CA01"), (), 2, True),
        (("C03CA01",), WHOLE, 1, False),
        (("C03CA01",), (), 1, None),
        (("C03CA01", None), WHOLE, None, None),
        (("A10AB01", None), (), None, True),
    ],
)
def test_drugs_are_counted_only_where_all_are_known(drugs, whole, medications, diabetes):
    found = read(*(given(f"m{n}", atc) for n, atc in enumerate(drugs)), whole=whole).record
    assert (found.get("medications"), found.get("diabetes_drug")) == (medications, diabetes)


def test_a_prescription_counts_as_a_drug_against_diabetes_and_refers_to_its_medication():
    prescribed = given("r", None, kind="MedicationRequest")
    del prescribed["medicationCodeableConcept"]
    prescribed["medicationReference"] = {"reference": "#drug"}
    drug = {"id": "drug", "code": coded("http://www.whocc.no/atc", "A10BB07")}
    prescribed["contained"] = [{"resourceType": "Medication", **drug}]
    found = read(prescribed)
    assert found.record["diabetes_drug"] is True
    assert "MedicationRequest/r" in found.used


def test_what_belongs_to_another_encounter_is_not_counted():
    procedures = [
        {"resourceType": "Procedure", "id": "a", "status": "completed", **HERE},
        {
            **{"resourceType": "Procedure", "id": "b", "status": "completed"},
            **{"subject": HERE["subject"], "encounter": {"reference": "Encounter/before"}},
        },
    ]
    before = encounter(id="before", period={"start": "2020-01-01"})
    found = read(*procedures, before, named="Encounter/stay")
    assert found.record["procedures"] == 1


def test_visits_of_the_year_before_are_counted_by_class():
    def visit(name, kind, day, **more):
        return encounter(id=name, **{"class": {"code": kind}}, period={"start": day}, **more)

    others = (
        visit("a", "AMB", "2023-06-01"),
        visit("b", "AMB", "2022-06-01"),
        visit("c", "EMER", "2024-03-09"),
        visit("d", "IMP", "2024-01-02", partOf={"reference": "Encounter/e"}),
        visit("e", "IMP", "2024-01-01"),
        visit("f", "AMB", "2024-05-01"),
    )
    found = read(*others, named="Encounter/stay").record
    columns = ("prior_outpatient_visits", "prior_emergency_visits", "prior_inpatient_stays")
    assert [found[column] for column in columns] == [1, 1, 1]


@pytest.mark.parametrize(("whole", "expected"), [((), None), (WHOLE, 0)])
def test_no_other_encounter_means_none_only_in_a_whole_record(whole, expected):
    assert read(whole=whole).record.get("prior_emergency_visits") == expected
