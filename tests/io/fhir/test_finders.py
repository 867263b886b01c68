"""What a chart states of a record of intensive care: hours, units, and what is left aside."""

from datetime import timedelta

import pytest
from bundles import START, bundle, encounter, observation, patient

from medpipe import workloads
from medpipe.errors import UnreadableError
from medpipe.io.fhir.chart import Chart, entries
from medpipe.io.fhir.mapping import stated
from medpipe.records import record

ICU = workloads.get("icu_mortality")


def read(*resources):
    chart = Chart(entries(bundle(encounter(), *resources)), codes=ICU.fhir.codes)
    return stated(chart, ICU.fhir, record.asked(ICU))


def test_hours_are_counted_from_the_start_across_zones_and_midnight():
    utc = (START + timedelta(hours=2.5)).astimezone(tz=None).isoformat()
    found = read(observation("8867-4", 88, "/min", effectiveDateTime=utc))
    assert found.record == {"heart_rate_bpm": [[2.5, 88.0]]}
    assert found.used == ("Encounter/stay",)


def test_the_end_of_a_period_is_when_it_was_measured():
    period = {"start": START.isoformat(), "end": (START + timedelta(hours=4)).isoformat()}
    passed = observation("9187-6", 0.3, "L", effectivePeriod=period)
    del passed["effectiveDateTime"]
    assert read(passed).record == {"urine_ml": [[4.0, 300.0]]}


@pytest.mark.parametrize(
    ("loinc", "value", "unit", "column", "expected"),
    [
        ("15074-8", 5.5, "mmol/L", "glucose_mg_dl", 99.0858),
        ("14682-9", 88.4, "umol/L", "creatinine_mg_dl", 0.99998),
        ("22664-7", 7.0, "mmol/L", "urea_nitrogen_mg_dl", 19.6098),
        ("8310-5", 98.6, "[degF]", "temperature_c", 37.0),
        ("2703-7", 10, "kPa", "pao2_mmhg", 75.006),
        ("3150-0", 35, "%", "fio2_fraction", 0.35),
        ("6598-7", 52, "ng/L", "troponin_t_ug_l", 0.052),
    ],
)
def test_a_value_is_converted_into_the_column_s_unit(loinc, value, unit, column, expected):
    ((_, found),) = read(observation(loinc, value, unit)).record[column]
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("loinc", "unit", "said"),
    [
        ("2345-7", "mmol/L", "glucose_mg_dl: the unit is mmol/L; for LOINC 2345-7"),
        ("8867-4", "Doe", "heart_rate_bpm: the unit is not one that is known here"),
        ("3094-0", "mmol/L", "it may be, in UCUM, mg/dL, mg/L, g/L"),
    ],
)
def test_an_unknown_unit_is_refused_with_those_that_are_read(loinc, unit, said):
    with pytest.raises(UnreadableError) as error:
        read(observation(loinc, 5, unit))
    assert said in str(error.value)
    assert "Doe" not in str(error.value)


def test_every_unit_that_is_refused_is_told_at_once():
    wrong = (observation("2345-7", 5, "mmol/L"), observation("8867-4", 5, "s"))
    with pytest.raises(UnreadableError, match=r"heart_rate_bpm: .*; glucose_mg_dl: "):
        read(*wrong)


def test_a_panel_gives_each_component_and_says_what_was_presumed():
    parts = [
        {k: observation(loinc, value, "mm[Hg]")[k] for k in ("code", "valueQuantity")}
        for loinc, value in (("8480-6", 107), ("8462-4", 60))
    ]
    panel = observation("85354-9", 0, "", component=parts)
    del panel["valueQuantity"]
    found = read(panel)
    assert found.record["cuff_systolic_mmhg"] == [[1.0, 107.0]]
    assert found.record["cuff_diastolic_mmhg"] == [[1.0, 60.0]]
    assert found.notes == ("blood pressures without a method were taken for those of a cuff",)


def test_a_pulse_oximeter_s_value_is_no_blood_gas():
    both = [{"system": "http://loinc.org", "code": code} for code in ("2708-6", "59408-5")]
    oximeter = observation("2708-6", 96, "%", code={"coding": both})
    assert read(oximeter).record == {}
    assert read(oximeter).notes == (
        "left aside: sao2 percent: another code makes it something else (1)",
    )
    assert read(observation("2708-6", 96, "%")).record == {"sao2_percent": [[1.0, 96.0]]}


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"status": "cancelled"}, "Observation that was planned, not done, or withdrawn"),
        ({"status": "registered"}, "Observation that is not reported, or was withdrawn"),
        ({"effectiveDateTime": "2024-03-11"}, "measurement of which only the day is known"),
        ({"effectiveDateTime": "2024-03"}, "Observation without a day"),
        ({"effectiveDateTime": "2024-03-10T20:00:00+01:00"}, "measurement outside the hours 0"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "code": "/min"}}, "only a bound"),
        ({"valueQuantity": {"value": "5"}}, "whose value is no number"),
        ({"valueQuantity": True}, "whose value is no number"),
        ({"code": {"text": "pulse"}}, "something that is not asked for"),
    ],
)
def test_what_is_of_no_use_is_left_aside_and_counted(change, note):
    found = read({**observation("8867-4", 80, "/min"), **change})
    assert found.record == {}
    assert note in found.notes[0]
    assert found.notes[0].endswith("(1)")


def test_the_weight_at_admission_is_one_column_and_later_ones_another():
    weights = [
        observation("29463-7", kg, "kg", hour=h) for h, kg in ((-20, 80), (0.5, 82), (30, 84))
    ]
    found = read(*weights).record
    assert found == {"weight_kg": 82.0, "daily_weight_kg": [[30.0, 84.0]]}


def test_the_height_may_be_measured_at_any_time_before_the_end_of_the_span():
    late = observation("8302-2", 1.68, "m", hour=30)
    assert read(late).record == {"height_cm": 168.0}
    assert read(late, observation("8302-2", 170, "cm", hour=-5000)).record == {"height_cm": 168.0}


@pytest.mark.parametrize(
    ("born", "age"),
    [("1953-03-10", 71.0), ("1953-03-11", 70.0), ("1953", None), ("1953-02-30", None)],
)
def test_age_is_in_completed_years_or_not_known(born, age):
    assert read(patient(born=born)).record.get("age_years") == age


def test_ventilation_is_told_by_a_procedure_at_its_start_and_every_full_hour():
    period = {
        "start": (START + timedelta(hours=1.5)).isoformat(),
        "end": (START + timedelta(hours=4)).isoformat(),
    }
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "40617009"}]}
    procedure = {
        **{"resourceType": "Procedure", "id": "p", "status": "completed", "code": code},
        **{"subject": {"reference": "Patient/doe"}, "performedPeriod": period},
    }
    found = read(procedure)
    assert found.record == {"ventilated": [[1.5, 1.0], [2.0, 1.0], [3.0, 1.0], [4.0, 1.0]]}
    assert found.used == ("Encounter/stay", "Procedure/p")
    assert read({**procedure, "status": "not-done"}).record == {}


def test_a_code_that_is_not_declared_is_left_aside_and_not_repeated():
    found = read(patient(gender="DOE"))
    assert "sex" not in found.record
    assert found.notes == ("left aside: sex: a code that is not declared (1)",)


def test_hours_need_a_start_with_a_time():
    with pytest.raises(UnreadableError, match=r"Encounter\.period\.start"):
        chart = Chart(
            entries(
                bundle(encounter(period={"start": "2024-03-10"}), observation("8867-4", 80, "/min"))
            ),
            codes=ICU.fhir.codes,
        )
        stated(chart, ICU.fhir, record.asked(ICU))


def test_the_order_of_the_resources_does_not_matter():
    some = [observation("8867-4", 80 + n, "/min", hour=n) for n in range(5)]
    forth, back = read(*some).record, read(*reversed(some)).record
    assert sorted(forth["heart_rate_bpm"]) == sorted(back["heart_rate_bpm"])
