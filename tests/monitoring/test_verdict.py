"""Each kind of evidence leads to the verdict and advice that the module's docstring names."""

import pytest

from medpipe.monitoring.drift import Shift
from medpipe.monitoring.movement import Movement
from medpipe.monitoring.performance import Measured
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.verdict import Evidence, decide
from medpipe.monitoring.windows import ALL

POLICY = MonitorParams()


def movement(fact="distance", *, lasting=True, kind="spread", whom=ALL):
    shift = Shift(fact, "score", kind, 300, 90, 0.4, 0.5, "chi-squared", 1e-9)
    return Movement(whom, shift, p=1e-7, moved=True, shown=2 if lasting else 1, lasting=lasting)


def measured(name, *, worse=True, p=1e-6, whom=ALL):
    return Measured(whom, "", name, 0.7, 0.6, 0.8, 0.9, 200, 40, p, worse)


def evidence(**found):
    nothing = {"unjudged": "", "unknown": "", "movements": (), "measured": (), "estimated": ()}
    return Evidence(**nothing | {"release_days": 60.0} | found)


DISTANCE, SEX = movement(), movement("sex")
UNSTATED = movement("age_years", kind="not stated")
AUROC, RATIO = measured("auroc"), measured("observed_expected")


@pytest.mark.parametrize(
    ("found", "state", "action"),
    [
        ({}, "ok", "none"),
        ({"movements": (movement(lasting=False),)}, "watch", "none"),
        ({"unjudged": "The newest window has 12 answers."}, "watch", "none"),
        ({"estimated": (measured("estimated_auroc"),)}, "watch", "none"),
        ({"movements": (DISTANCE,)}, "drifted", "retrain"),
        ({"movements": (SEX,)}, "drifted", "look-at-data"),
        ({"movements": (UNSTATED, DISTANCE), "measured": (AUROC,)}, "drifted", "look-at-data"),
        ({"measured": (AUROC,)}, "drifted", "look-at-data"),
        ({"measured": (AUROC, RATIO), "movements": (SEX,)}, "drifted", "retrain"),
        ({"measured": (RATIO,), "movements": (DISTANCE,)}, "drifted", "recalibrate"),
        ({"measured": (measured("brier"),)}, "drifted", "look-at-data"),
        ({"measured": (measured("auroc", worse=False),)}, "ok", "none"),
        ({"measured": (measured("auroc", p=0.02),)}, "ok", "none"),
    ],
)
def test_what_was_found_leads_to_a_verdict_and_an_advice(found, state, action):
    verdict = decide(evidence(**found), POLICY)
    assert (verdict.state, verdict.action) == (state, action)
    assert verdict.reasons


def test_a_release_of_yesterday_is_not_retrained_and_its_data_are_still_looked_at():
    young = decide(evidence(movements=(DISTANCE,), release_days=3.0), POLICY)
    assert (young.state, young.action) == ("drifted", "none")
    assert "waits until the release is 14 days old; it is 3" in young.reasons[0]
    broken = decide(evidence(movements=(UNSTATED,), release_days=3.0), POLICY)
    assert broken.action == "look-at-data"


def test_reasons_are_sentences_with_the_numbers_and_of_whom():
    verdict = decide(evidence(movements=(movement(whom=("site", "ab12")),)), POLICY)
    assert verdict.reasons[1] == (
        "Of site ab12: distance has moved, in 2 of the last 3 windows: PSI 0.50, 0.40 of it beyond "
        "chance (p < 0.0001 by chi-squared, 90 answers against 300)."
    )


def test_what_is_true_of_all_is_said_before_what_is_true_of_a_part():
    found = (movement(whom=("site", "ab12")), movement("age_years"))
    reasons = decide(evidence(movements=found), POLICY).reasons
    assert [reason.split(" has moved")[0] for reason in reasons[1:]] == [
        "age_years",
        "Of site ab12: distance",
    ]


def test_many_reasons_are_cut_and_counted():
    many = tuple(movement(f"fact {n}") for n in range(40))
    reasons = decide(evidence(movements=many, unjudged="Nothing came."), POLICY).reasons
    assert len(reasons) == 11
    assert reasons[-2:] == ("And 32 more: see the table.", "Nothing came.")
