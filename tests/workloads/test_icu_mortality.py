"""The workload of intensive care, from measurements to what the network sees and to the reasons."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from medpipe.errors import DataError, ParamsError, UnreadableError
from medpipe.records import record
from medpipe.records.physiology import ROUTINE, VARIABLES
from medpipe.workloads.icu_mortality import _MAP, _PLACES, SERIES, WORKLOAD, Encode

NAMES = [column.name for column in SERIES]


def read(**changes):
    return WORKLOAD.read({**WORKLOAD.example, **changes}, limits={})


def fitted(*rows):
    return WORKLOAD.fit(rows or [read(), read(age_years=51, sex="M")], Encode())


def series_of(inputs, name):
    place = NAMES.index(name)
    return inputs["values"][:, place], inputs["measured"][:, place]


# -- columns -------------------------------------------------------------------------------------
def test_there_are_the_37_variables_of_the_challenge():
    assert len(NAMES) == len(set(NAMES)) == len({v.challenge for v in VARIABLES}) == 37
    assert {name for either in ROUTINE for name in either} <= set(NAMES)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("creatinine_mg_dl", [[1, 900]],
         "creatinine_mg_dl, measurement 1, is 900 mg/dL; .* numbers from 0.1 to 30 mg/dL"),
        ("height_cm", 1.68, "height_cm is 1.68 cm; allowed: numbers from 100 to 250 cm"),
        ("temperature_c", [[1, 98.6]], "98.6 °C; allowed: .* numbers from 25 to 45 °C"),
        ("glucose_mg_dl", [[1, 5.5]], "5.5 mg/dL; .* from 10 to 2000 mg/dL"),
        ("heart_rate_bpm", [[10_000, 80]], "is 10000 h; allowed: numbers from 0 to 48 h"),
        ("heart_rate_bpm", [[-1, 80]], "is -1 h; allowed: numbers from 0 to 48 h"),
        ("heart_rate_bpm", [[1, float("nan")]], "is nan; leave out what is not known"),
        ("heart_rate_bpm", [[1, float("inf")]], "is inf; leave out what is not known"),
        ("heart_rate_bpm", [[1, "fast"]], "measurement 1, is not a number"),
        ("unit_type", "neonatal", "unit_type is not one of coronary"),
        ("creatinine", [[1, 1.1]], "did you mean creatinine_mg_dl?"),
    ],
)  # fmt: skip
def test_a_request_outside_its_limits_is_refused_with_range_and_unit(field, value, message):
    with pytest.raises(UnreadableError, match=message):
        record.checked({**WORKLOAD.example, field: value}, WORKLOAD)


# -- data in -------------------------------------------------------------------------------------
def test_measurements_within_their_ranges_are_counted():
    assert read()["measurements"] - read(sodium_mmol_l=None)["measurements"] == 1
    assert read(sodium_mmol_l=[[1, 13.7]])["measurements"] == read()["measurements"] - 1


def test_the_hash_is_of_the_measurements_in_any_order():
    turned = {n: list(reversed(v)) for n, v in WORKLOAD.example.items() if isinstance(v, list)}
    assert read(**turned)["record_hash"] == read()["record_hash"]
    assert read(sodium_mmol_l=[[1, 138]])["record_hash"] != read()["record_hash"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict.fromkeys(NAMES), "nothing was measured in the first 48 hours"),
        ({**dict.fromkeys(NAMES), "sodium_mmol_l": [[50, 140]]}, "nothing was measured"),
        ({"age_years": 14}, "younger than 15 years"),
        ({"age_years": 15}, None),
        ({"age_years": None}, None),
    ],
)
def test_who_is_outside_the_question(changes, reason):
    found = WORKLOAD.excluded(read(**changes))
    assert found is None if reason is None else found.startswith(reason)


def test_a_height_in_metres_is_seen_across_columns():
    frame = pd.DataFrame(
        {"height_cm": [168, 1.68, None], "weight_kg": [74, 74, 74.0], "measurements": [3, 3, 0]}
    )
    judged = {e.name: e.holds(frame[list(e.columns)]).tolist() for e in WORKLOAD.expectations()}
    assert judged == {
        "height_and_weight_fit": [True, False, True],
        "something_was_measured": [True, True, False],
    }


def test_unknown_layouts_and_options_that_none_has_are_refused(tmp_path):
    with pytest.raises(ParamsError, match="reads sample, physionet2012, table"):
        WORKLOAD.source("mimic", tmp_path, options={})
    with pytest.raises(ParamsError, match="layout sample has none, not stays"):
        WORKLOAD.source("sample", tmp_path, options={"stays": "x"})


# -- learning ------------------------------------------------------------------------------------
def test_an_hour_holds_the_standardised_mean_and_the_mask():
    state = fitted(read(sodium_mmol_l=[[1, 130], [2, 150]]))
    assert state["scales"]["sodium_mmol_l"] == [140, 10]
    row = read(sodium_mmol_l=[[47.9, 160], [48, 140], [0.5, 135]])
    values, measured = series_of(WORKLOAD.encode(row, state), "sodium_mmol_l")
    assert measured.tolist() == [1] + 46 * [0] + [1]
    assert values[[0, 47]].tolist() == [-0.5, 1.0]


def test_a_skewed_series_is_standardised_by_its_logarithm():
    state = fitted(read(creatinine_mg_dl=[[1, np.e - 1], [2, np.e**3 - 1]]))
    assert state["scales"]["creatinine_mg_dl"] == pytest.approx([2, 1])


@pytest.mark.parametrize("impossible", [1.68, 0, -1, float("nan")])
def test_what_is_impossible_counts_as_not_known(impossible):
    state = fitted()
    one = WORKLOAD.encode(read(height_cm=impossible), state)
    other = WORKLOAD.encode(read(height_cm=None), state)
    assert one["descriptors"].tobytes() == other["descriptors"].tobytes()


def test_over_89_is_one_age():
    rows = [WORKLOAD.encode(read(age_years=age), fitted()) for age in (89, 90, 97)]
    ages = [row["descriptors"][_PLACES["age_years"]].tolist() for row in rows]
    assert ages[0] != ages[1] == ages[2]


def test_raw_and_a_request_are_encoded_to_the_same_bytes():
    state, row = fitted(), read(ph=[[0.1, 7.31], [0.2, 7.3333333333]])
    stored = {
        name: [[float(np.float32(h)), float(np.float32(v))] for h, v in value]
        if isinstance(value, list)
        else value
        for name, value in row.items()
    }
    for name, array in WORKLOAD.encode(row, state).items():
        assert array.tobytes() == WORKLOAD.encode(stored, state)[name].tobytes()


def test_a_variable_or_class_never_seen_in_training_is_left_aside_and_said():
    state = fitted(read(sodium_mmol_l=None, sex="M"))
    inputs = WORKLOAD.encode(read(), state)
    assert not series_of(inputs, "sodium_mmol_l")[1].any()
    assert not inputs["descriptors"][_PLACES["sex"]].any()
    said = " ".join(WORKLOAD.cautions(read(), state))
    assert "never seen in training and left aside: sodium, sex as registered" in said


def test_without_a_measurement_nothing_can_be_fitted():
    with pytest.raises(DataError, match="no training row has a measurement"):
        fitted(read(**dict.fromkeys(NAMES)))


def test_the_baseline_sees_a_summary_of_each_series_and_the_descriptors():
    inputs = WORKLOAD.encode(read(height_cm=None), fitted())
    found = WORKLOAD.features({name: array[None] for name, array in inputs.items()})
    assert found.shape == (1, 13 + 9 * 37)
    assert np.isnan(found[0, _PLACES["height_cm"].start])
    assert inputs["descriptors"][_PLACES["height_cm"].start] == 0


# -- answering -----------------------------------------------------------------------------------
def test_a_missing_vital_sign_is_named():
    said = WORKLOAD.cautions(read(temperature_c=None, systolic_mmhg=None), fitted())
    assert said == (
        "not measured or not sent: arterial systolic pressure or cuff systolic pressure, "
        "temperature",
    )


def test_a_cuff_is_as_good_as_an_arterial_line():
    row = read(systolic_mmhg=None, cuff_systolic_mmhg=[[47, 110]])
    assert not any("systolic" in caution for caution in WORKLOAD.cautions(row, fitted(row)))


def test_a_stay_that_ends_early_is_said():
    early = {n: [p for p in v if p[0] < 20] for n, v in WORKLOAD.example.items()
             if isinstance(v, list)}  # fmt: skip
    said = WORKLOAD.cautions(read(**early), fitted())
    assert "nothing was measured after hour 18 of 48" in said


def test_reasons_name_series_hours_and_values_strongest_first():
    effects = np.zeros(_MAP.parts, np.float32)
    effects[7 * 37 + NAMES.index("creatinine_mg_dl")] = 0.5  # hours 42 to 48
    effects[0 * 37 + NAMES.index("heart_rate_bpm")] = -0.75  # hours 0 to 6
    effects[-5] = 1.0  # the first descriptor
    first, second, third = WORKLOAD.reasons(read(), effects)
    assert (first.what, first.value, first.effect) == ("age at admission", "71 years", 1)
    assert (second.what, second.value) == ("heart rate, hours 0–6", "104 beats/min")
    assert (third.what, third.value) == ("creatinine, hours 42–48", "2.6 mg/dL")


def test_hiding_a_part_hides_its_hours_of_its_series_alone():
    descriptors, series = _MAP.shown()
    part = 2 * 37 + NAMES.index("ph")
    hidden = np.argwhere(~series[part])
    assert hidden.tolist() == [[hour, NAMES.index("ph")] for hour in range(12, 18)]
    assert descriptors[part].all()
    assert np.flatnonzero(~descriptors[-5]).tolist() == [0, 1]
    assert series[-5].all()


def test_the_drawing_shows_the_strongest_series_with_their_values():
    effects = np.zeros(_MAP.parts, np.float32)
    effects[7 * 37 + NAMES.index("creatinine_mg_dl")] = 0.5
    picture = WORKLOAD.draw(read(), effects)
    texts = [text.text for text in ElementTree.fromstring(picture.data).iter() if text.text]
    assert picture.media_type == "image/svg+xml"
    assert "creatinine, mg/dL" in texts
    assert {"1.4", "2.6 ▲", "42–48 h", "+0.500"} <= set(texts)
    assert not any("sodium" in text for text in texts)
