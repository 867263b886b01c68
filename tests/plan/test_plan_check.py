"""What stays within the change plan, and which line is broken by what does not."""

from datetime import date

import pytest

from medpipe import config, workloads
from medpipe.errors import ParamsError
from medpipe.plan import accept, check
from medpipe.plan.check import DataFacts, examine
from medpipe.plan.section import PlanParams

THEN = {"train": {"epochs": 20, "schedule": "one_cycle"}, "gate": {"floors": {"auroc": 0.8}}}
CHAMPION = {"params": THEN, "data": {"source": "table", "labelled": 1000}}
FACTS = DataFacts("table", 1000)


def broken(plan, *, now=THEN, facts=FACTS, champion=CHAMPION, reason="schedule"):
    return examine(PlanParams.model_validate(plan), champion, now, facts, reason).broken


def changed(section, **values):
    return {**THEN, section: {**THEN[section], **values}}


def test_nothing_changed_is_within_any_plan():
    assert broken({}) == ()


def test_a_parameter_that_the_plan_does_not_name_stays_as_the_champion_has_it():
    assert broken({}, now=changed("train", epochs=21)) == (
        "plan.may_change: train.epochs is 21, the champion's is 20; it is not among what may "
        "change",
    )


@pytest.mark.parametrize(("epochs", "limit"), [(9, "low is 10"), (10, ""), (40, ""), (41, "high")])
def test_bounds_include_their_ends(epochs, limit):
    plan = {"may_change": {"train.epochs": {"low": 10, "high": 40}}}
    lines = broken(plan, now=changed("train", epochs=epochs))
    assert [limit in line for line in lines] == ([True] if limit else [])


@pytest.mark.parametrize(("schedule", "is_within"), [("cosine", True), ("step", False)])
def test_choices_are_the_only_ones(schedule, is_within):
    plan = {"may_change": {"train.schedule": {"choices": ["cosine", "constant"]}}}
    assert (broken(plan, now=changed("train", schedule=schedule)) == ()) is is_within


def test_a_truth_value_is_no_number():
    plan = {"may_change": {"train.epochs": {"choices": [1]}}}
    assert "choices are 1" in broken(plan, now=changed("train", epochs=True))[0]


def test_a_gate_that_was_softened_since_is_outside():
    assert (
        "gate.floors.auroc is 0.7"
        in broken({}, now={**THEN, "gate": {"floors": {"auroc": 0.7}}})[0]
    )


def test_a_parameter_that_came_or_went_is_a_change():
    gone = {**THEN, "train": {"epochs": 20}}
    assert "train.schedule is not set, the champion's is one_cycle" in broken({}, now=gone)[0]


@pytest.mark.parametrize(
    ("plan", "facts", "line"),
    [
        ({}, DataFacts("sample", 1000), "plan.data.sources: sample is not among table"),
        ({"sources": ["table", "sample"]}, DataFacts("sample", 1000), None),
        ({"new_least": 50}, DataFacts("table", 1049), "plan.data.new_least: 49 new"),
        ({"new_least": 50}, DataFacts("table", 1050), None),
        ({"new_most": 50}, DataFacts("table", 1051), "plan.data.new_most: 51 new"),
        ({"since": "2020-01-01"}, DataFacts("table", 1000, date(2018, 12, 30)), "plan.data.since"),
        ({"since": "2020-01-01"}, DataFacts("table", 1000, date(2018, 12, 31)), None),
        ({"until": "2020-01-01"}, DataFacts("table", 1000, None, date(2021, 1, 2)), "data.until"),
        ({"until": "2020-01-01"}, DataFacts("table", 1000, None, date(2021, 1, 1)), None),
        ({}, DataFacts("table", 1000, doubts=("AUROC fell",)), "plan.data.doubted: AUROC fell"),
        ({"doubted": True}, DataFacts("table", 1000, doubts=("AUROC fell",)), None),
    ],
)
def test_data_are_held_against_their_limits(plan, facts, line):
    lines = broken({"data": plan}, facts=facts)
    assert (line is None and lines == ()) or line in lines[0]


def test_before_the_first_champion_only_the_data_count():
    plan = {"data": {"new_least": 500, "new_most": 600}}
    assert broken(plan, champion=None, now=changed("train", epochs=1)) == ()
    assert "499 new" in broken(plan, champion=None, facts=DataFacts("table", 499))[0]


@pytest.mark.parametrize(
    ("reason", "stops"), [("by hand", False), ("drift", True), ("schedule", True)]
)
def test_only_a_person_goes_on_outside_the_plan(reason, stops):
    found = examine(PlanParams(), CHAMPION, changed("train", epochs=1), FACTS, reason)
    assert (found.within, found.stops) == (False, stops)


def test_who_is_asked_is_said_with_the_reason():
    plan = PlanParams.model_validate({"approve": ["first", "outside", "drift"]})
    drifted = examine(plan, CHAMPION, THEN, FACTS, "drift")
    assert check.occasions(plan, drifted, is_first=False) == ("It was trained because of drift",)
    calm = examine(plan, CHAMPION, THEN, FACTS, "schedule")
    assert check.occasions(plan, calm, is_first=False) == ()
    assert check.occasions(plan, calm, is_first=True) == ("It would be the first champion",)


@pytest.mark.parametrize(
    ("correction", "broken"),
    [
        ({"intercept": 1.4, "slope": 0.5}, ()),
        ({"intercept": -1.41, "slope": 1.0}, ("intercept is -1.41; low is -1.4",)),
        ({"intercept": 0.0, "slope": 2.5}, ("slope is 2.5; high is 2",)),
    ],
)
def test_a_recalibration_stays_within_its_bounds(correction, broken):
    found = check.examine_correction(PlanParams(), correction, "drift")
    assert tuple(line.split(": ")[1] for line in found.broken) == broken
    assert found.stops == bool(broken)


def test_a_person_can_be_asked_of_recalibrations_alone():
    plan = PlanParams.model_validate({"approve": ["recalibration", "drift"]})
    found = check.examine_correction(plan, {"intercept": 0.5, "slope": 1.0}, "drift")
    assert check.occasions(plan, found, recalibrates=True) == (
        "Its risks were recalibrated",
        "It was recalibrated because of drift",
    )
    assert check.occasions(plan, found) == ("It was trained because of drift",)


def section(**plan):
    return config.parse(
        {"gate": {"floors": {"auroc": 0.8}}, "plan": plan}, workloads.get("chest_xray")
    )


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"may_chnge": {}}, "did you mean may_change"),
        ({"may_change": {"train.epoch": {"low": 1}}}, "did you mean train.epochs"),
        ({"may_change": {"source.seed": {"low": 1}}}, "source.seed is not a parameter"),
        ({"may_change": {"train.epochs": {}}}, "write low, high or both, or choices"),
        ({"may_change": {"train.epochs": {"low": 2, "high": 1}}}, "low 2 is above high 1"),
        ({"accept": {"floors": {"auroc": 0.7}}}, "looser than the gate's 0.8"),
        ({"accept": {"margins": {"auroc": 0.03}}}, "looser than the gate's 0.02"),
        ({"accept": {"ece_max": 0.2}}, "looser than the gate's 0.1"),
        ({"approve": ["sometimes"]}, "approve.0"),
    ],
)
def test_a_plan_that_says_nothing_sensible_is_refused(plan, message):
    with pytest.raises(ParamsError, match=message):
        section(**plan)


def test_what_the_plan_asks_beyond_the_gate_is_added_to_it():
    params = section(accept={"floors": {"auroc": 0.85, "auprc": 0.5}, "ece_max": 0.05})
    policy = accept.tightened(params.gate, params.plan.accept)
    assert policy.floors == {"auroc": 0.85, "auprc": 0.5}
    assert (policy.ece_max, policy.margins) == (0.05, {"auroc": 0.02})
