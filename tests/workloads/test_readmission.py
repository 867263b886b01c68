"""The readmission workload, from a record to what the network sees and to the reasons."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from medpipe.errors import DataError, ParamsError, UnreadableError
from medpipe.records import record
from medpipe.workloads.readmission import _CODED, _INPUTS, _NUMBERS, WORKLOAD, Encode

NUMBERS = [column.name for column in _NUMBERS]
CODES = [name for name, _, _ in _CODED]


def read(**changes):
    return WORKLOAD.read({**WORKLOAD.example, **changes}, limits={})


def fitted(*rows, rare=1):
    return WORKLOAD.fit(rows or [read(), read(stay_days=10, sex="M")], Encode(rare=rare))


def test_diagnoses_are_grouped_and_kept_as_they_came():
    row = read()
    assert (row["diagnosis_1"], row["diagnosis_1_group"]) == ("428.0", "circulatory")
    assert (row["diagnosis_2_group"], row["diagnosis_3_group"]) == ("diabetes", "genitourinary")
    assert read(diagnosis_1=None)["diagnosis_1_group"] is None


def test_what_is_no_diagnosis_is_refused_and_not_repeated():
    with pytest.raises(UnreadableError, match="diagnosis_2 is not an ICD-9-CM code") as refusal:
        read(diagnosis_2="Planted Name")
    assert "Planted" not in str(refusal.value)
    assert refusal.value.fault == "content"


def test_a_record_that_says_nothing_is_refused():
    with pytest.raises(UnreadableError, match="nothing is stated"):
        WORKLOAD.read({}, limits={})


@pytest.mark.parametrize(
    ("where_to", "reason"),
    [
        ("died", "the patient died"),
        ("died in hospice care", "the patient died"),
        ("hospice at home", "discharged to hospice care"),
        ("hospice facility", "discharged to hospice care"),
        ("home", None),
        (None, None),
    ],
)
def test_death_and_hospice_are_no_part_of_the_question(where_to, reason):
    found = WORKLOAD.excluded(read(discharge_disposition=where_to))
    assert (found is None) if reason is None else found.startswith(reason)


def test_numbers_are_standardised_and_categories_numbered_by_hand():
    state = fitted()  # stays of 6 and 10 days: mean 8, deviation 2
    inputs = WORKLOAD.encode(read(stay_days=10), state)
    assert inputs["numbers"][NUMBERS.index("stay_days")] == 1
    assert inputs["known"].tolist() == [1.0] * len(NUMBERS)
    assert inputs["codes"][CODES.index("sex")] == 1  # F before M, as declared
    assert WORKLOAD.encode(read(sex="M"), state)["codes"][CODES.index("sex")] == 2
    assert inputs["codes"][CODES.index("glucose")] == 0


def test_a_count_of_visits_enters_by_its_logarithm():
    state = fitted(read(prior_inpatient_stays=0), read(prior_inpatient_stays=3))
    moments = state["numbers"]["prior_inpatient_stays"]
    assert moments["mean"] == pytest.approx(np.log(4) / 2)
    assert (moments["low"], moments["high"]) == (0, 3)


@pytest.mark.parametrize("missing", [{"stay_days": None}, {"stay_days": 999}])
def test_a_number_that_is_missing_or_impossible_is_not_known(missing):
    inputs = WORKLOAD.encode(read(**missing), fitted())
    place = NUMBERS.index("stay_days")
    assert (inputs["numbers"][place], inputs["known"][place]) == (0, 0)


def test_a_rare_category_counts_as_not_known_and_a_caution_says_so():
    state = fitted(read(), read(), read(a1c="Norm"), rare=2)
    row = read(a1c="Norm")
    assert WORKLOAD.encode(row, state)["codes"][CODES.index("a1c")] == 0
    assert "a1c: Norm was too rare in training, and counts as not known" in " ".join(
        WORKLOAD.cautions(row, state)
    )


def test_race_and_payer_change_no_answer_and_nobody_is_asked_for_them():
    state = fitted(read(), read(race="Asian", payer="MD", stay_days=10))
    told, silent = read(race="Asian", payer="MD"), read(race=None, payer=None)
    for name, array in WORKLOAD.encode(told, state).items():
        np.testing.assert_array_equal(array, WORKLOAD.encode(silent, state)[name])
    assert WORKLOAD.cautions(told, state) == WORKLOAD.cautions(silent, state)
    compared = {column.name for column in WORKLOAD.columns if column.subgroup}
    assert {"race", "payer"} <= compared


def test_a_record_of_race_and_payer_alone_says_nothing():
    with pytest.raises(UnreadableError, match="nothing is stated"):
        WORKLOAD.read({"race": "Asian", "payer": "MD"}, limits={})


def test_cautions_name_what_is_missing_and_what_training_never_had():
    said = WORKLOAD.cautions(read(sex=None, stay_days=40), fitted())
    assert said[0].startswith("not stated: sex, ")
    assert "stay days is 40; in training 6 to 10" in said
    assert "medications" not in " ".join(said)


def test_a_number_that_training_never_knew_counts_as_not_known():
    state = fitted(read(medications=None))
    row = read(medications=5)
    assert WORKLOAD.encode(row, state)["known"][NUMBERS.index("medications")] == 0
    assert "medications was never known in training" in " ".join(WORKLOAD.cautions(row, state))


def test_a_request_and_a_row_of_raw_give_the_same_bytes():
    state = fitted()
    body = json.dumps({**WORKLOAD.example, "stay_days": 7.0}).encode()
    _, asked = WORKLOAD.request(record.parsed(body, WORKLOAD), state, limits={})
    stored = WORKLOAD.encode({"example": "x_1", "group": "p_1", **read(stay_days=7)}, state)
    assert {k: a.tobytes() for k, a in asked.items()} == {k: a.tobytes() for k, a in stored.items()}


def test_without_training_rows_there_is_nothing_to_fit():
    with pytest.raises(DataError, match=r"no training rows.*split\.val"):
        WORKLOAD.fit([], Encode())


def test_features_are_nan_where_nothing_is_known():
    inputs = {k: a[None] for k, a in WORKLOAD.encode(read(stay_days=None), fitted()).items()}
    features = WORKLOAD.features(inputs)
    assert features.shape == (1, len(NUMBERS) + len(CODES))
    assert np.isnan(features[0, NUMBERS.index("stay_days")])
    assert np.isnan(features[0, len(NUMBERS) + CODES.index("glucose")])
    assert np.isfinite(features).sum() == (inputs["codes"] > 0).sum() + len(NUMBERS) - 1


def test_a_perturbation_leaves_out_just_what_it_names():
    inputs = {k: a[None] for k, a in WORKLOAD.encode(read(), fitted()).items()}
    changed = WORKLOAD.perturb()["diagnoses not known"](inputs, np.random.default_rng(0))
    lost = {CODES[n] for n in np.flatnonzero(changed["codes"][0] != inputs["codes"][0])}
    assert lost == {f"diagnosis_{n}_{kind}" for n in (1, 2, 3) for kind in ("group", "category")}
    np.testing.assert_array_equal(changed["numbers"], inputs["numbers"])


def test_reasons_are_the_strongest_fields_in_words():
    effects = np.zeros(len(_INPUTS))
    fields = [column.name for column in _INPUTS]
    effects[fields.index("stay_days")] = 0.2
    effects[fields.index("diagnosis_1")] = -0.7
    effects[fields.index("drug_change")] = 0.1
    found = [(r.what, r.value, r.effect) for r in WORKLOAD.reasons(read(), effects)]
    assert found == [
        ("diagnosis 1", "428 (circulatory)", -0.7),
        ("stay days", "6 d", 0.2),
        ("drug change", "yes", 0.1),
    ]
    texts = ElementTree.fromstring(WORKLOAD.draw(read(), effects).data).itertext()
    assert "diagnosis 1: 428 (circulatory)" in list(texts)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, None),
        ({"diabetes_drug": False}, "drugs_agree_with_diabetes_drug"),
        ({"diabetes_drug": False, "insulin": "No"}, None),
        ({"diagnoses": 2}, "diagnoses_are_counted"),
        ({"diagnoses": None, "diabetes_drug": None}, None),
    ],
)
def test_rules_across_columns_see_what_contradicts_itself(changes, broken):
    frame = pd.DataFrame([read(**changes), read()])
    for rule in WORKLOAD.expectations():
        holds = rule.holds(frame[list(rule.columns)]).tolist()
        assert holds == [rule.name != broken, True]


def test_a_layout_that_is_not_known_or_has_no_options_is_an_error(tmp_path):
    with pytest.raises(ParamsError, match="reads sample, diabetes130, table"):
        WORKLOAD.source("fhir", tmp_path, options={})
    with pytest.raises(ParamsError, match="layout diabetes130 has none, not patient"):
        WORKLOAD.source("diabetes130", tmp_path, options={"patient": "x"})
