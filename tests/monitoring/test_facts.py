"""Of an input only bins are kept; the reference decides where they lie."""

import math

import numpy as np
import pytest

from medpipe import workloads
from medpipe.columns import Column
from medpipe.monitoring import facts
from medpipe.monitoring.facts import MISSING, Fact, Watched


def test_the_tenths_of_the_reference_are_the_edges_and_each_bin_holds_as_many():
    found = facts.fact("age_years", "input", [float(n) for n in range(100)])
    assert found.edges == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert found.counts == (10,) * 10


def test_a_number_is_in_the_bin_of_the_edges_at_or_below_it():
    age = Fact(name="age_years", part="input", edges=(10, 20))
    assert [age.bin(value) for value in (9.9, 10.0, 19.9, 20.0, 1e9)] == [0, 1, 1, 2, 2]
    assert [age.bin(value) for value in (None, math.nan)] == [MISSING, MISSING]


def test_a_value_that_is_most_of_the_reference_has_one_bin():
    found = facts.fact("count", "input", [0.0] * 90 + [1.0] * 6 + [5.0] * 4)
    assert found.edges == (1,)
    assert found.counts == (90, 10)


def test_rare_words_share_a_bin_so_that_none_of_them_is_published():
    found = facts.fact("site", "input", ["b"] * 6 + ["a"] * 7 + ["rare"] * 4 + [None])
    assert found.words == ("a", "b")
    assert found.counts == (7, 6, 4)
    assert found.missing == 1
    assert found.bin("never seen") == found.bin("rare") == 2


def test_a_fact_that_was_never_stated_has_one_empty_bin():
    found = facts.fact("lactate", "input", [None, math.nan])
    assert (found.edges, found.words, found.counts, found.missing) == ((), (), (0,), 2)


def test_a_series_is_watched_by_its_mean_and_its_length():
    pulse = Column("pulse", "series", "pulse", "1/min")
    assert facts.inputs({"pulse": [(0.0, 80), (1.5, 100)]}, [pulse]) == {
        "pulse": 90.0,
        "pulse, measurements": 2.0,
    }
    assert facts.inputs({}, [pulse]) == {"pulse": None, "pulse, measurements": 0.0}


def test_scores_are_those_that_the_objective_gives():
    binary = {"probability": 0.9, "risk": 0.7, "decision": True, "distance": 0.2}
    assert facts.scores(binary) == {"risk": 0.7, "distance": 0.2}
    assert facts.scores({"classes": [{"name": "b", "probability": 0.1}]}) == {"probability_b": 0.1}
    assert facts.scores({"labels": [{"name": "x", "risk": 0.3}]}) == {"risk_x": 0.3}
    assert facts.scores({"value": 4, "low": 1, "high": 9}) == {"value": 4.0}


@pytest.mark.parametrize("name", workloads.names())
def test_no_label_no_name_and_no_pixel_is_watched(name):
    workload = workloads.get(name)
    watched = facts.columns(workload)
    assert watched
    assert not {column.name for column in watched} & {*workload.label_columns, "example", "group"}
    assert "bytes" not in {column.dtype for column in watched}


def test_bins_come_in_the_order_of_the_facts_whatever_the_order_of_the_values():
    rng = np.random.default_rng(0)
    watched = Watched(
        splits=("val", "test"),
        examples=50,
        facts=(
            facts.fact("risk", "score", list(rng.random(50))),
            facts.fact("sex", "input", ["male"] * 25 + ["female"] * 25),
        ),
    )
    assert watched.bins({"sex": "male", "risk": 2.0}) == [9, 1]
    assert watched.bins({}) == [MISSING, MISSING]
    assert Watched.model_validate_json(watched.model_dump_json()) == watched
