"""Each kind of evidence leads to the verdict and advice that the module's docstring names."""

import pytest

from medpipe.monitoring.drift import Shift
from medpipe.monitoring.movement import Movement
from medpipe.monitoring.performance import Measured
from medpipe.monitoring.policy import MonitorParams
from medpipe.monitoring.verdict import Evidence, decide
from medpipe.monitoring.windows import ALL

POLICY = MonitorParams()
SITES = ("site", "ab12"), ("site", "cd34")


def movement(fact="distance", *, lasting=True, kind="spread", whom=ALL, moved=True):
    part = "score" if fact in ("distance", "risk") else "input"
    shift = Shift(fact, part, kind, 300, 90, 0.4, 0.5, "chi-squared", 1e-9)
    return Movement(whom, shift, p=1e-7, moved=moved, shown=2 if lasting else 1, lasting=lasting)


def measured(name, *, worse=True, p=1e-6, whom=ALL):
    return Measured(whom, "", name, 0.7, 0.6, 0.8, 0.9, 200, 40, p, worse)


def evidence(**found):
    nothing = {"unjudged": "", "unknown": "", "movements": (), "measured": (), "estimated": ()}
    return Evidence(**nothing | {"release_days": 60.0} | found)


DISTANCE, SEX = movement(), movement("sex")
UNSTATED = movement("age_years", kind="not stated")
AUROC, RATIO = measured("auroc"), measured("observed_expected")
BRIER = measured("brier")
SLIGHT = measured("observed_expected", worse=False)
"""Within the margin, and not by chance."""
CHANCE = measured("observed_expected", worse=False, p=0.02)
ELSEWHERE = measured("observed_expected", worse=False, whom=SITES[0])


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
        ({"measured": (BRIER,)}, "drifted", "look-at-data"),
        ({"measured": (BRIER, SLIGHT)}, "drifted", "recalibrate"),
        ({"measured": (BRIER, SLIGHT), "movements": (DISTANCE,)}, "drifted", "recalibrate"),
        ({"measured": (BRIER, SLIGHT, AUROC)}, "drifted", "look-at-data"),
        ({"measured": (BRIER, CHANCE)}, "drifted", "look-at-data"),
        ({"measured": (BRIER, ELSEWHERE)}, "drifted", "look-at-data"),
        ({"measured": (SLIGHT,)}, "ok", "none"),
        ({"measured": (measured("auroc", worse=False),)}, "ok", "none"),
        ({"measured": (measured("auroc", p=0.02),)}, "ok", "none"),
    ],
)
def test_what_was_found_leads_to_a_verdict_and_an_advice(found, state, action):
    verdict = decide(evidence(**found), POLICY)
    assert (verdict.state, verdict.action) == (state, action)
    assert verdict.reasons


@pytest.mark.parametrize(
    ("moved", "known", "worse", "action"),
    [
        ([ALL, SITES[1]], [SITES[0]], [ALL, SITES[1]], "retrain"),  # a scanner
        ([ALL, SITES[1]], [SITES[0]], [ALL, *SITES], "look-at-data"),  # and labels at the other
        ([ALL, SITES[1]], [], [ALL, SITES[1]], "retrain"),
        ([ALL], [], [ALL, *SITES], "look-at-data"),  # nothing is known of either site's past
        ([ALL], [], [ALL, SITES[0]], "retrain"),
        ([ALL, *SITES], [], [ALL, *SITES], "retrain"),  # moved everywhere
        ([ALL], [SITES[0]], [SITES[0]], "look-at-data"),
    ],
)
def test_a_site_that_is_ordered_worse_and_has_not_moved_is_looked_at(moved, known, worse, action):
    movements = [movement(whom=whom) for whom in moved]
    movements += [movement(whom=whom, moved=False, lasting=False) for whom in known]
    judged = [measured("auroc", whom=whom, worse=whom in worse) for whom in (ALL, *SITES)]
    found = decide(evidence(movements=tuple(movements), measured=tuple(judged)), POLICY)
    assert (found.state, found.action) == ("drifted", action)
    if action == "look-at-data":
        assert found.reasons[0].startswith("Of site ab12")


def test_a_risk_that_moved_explains_no_patients_in_worse_order():
    movements = (movement(), movement("risk", whom=SITES[0]))
    judged = tuple(measured("auroc", whom=whom) for whom in (ALL, SITES[0]))
    assert decide(evidence(movements=movements, measured=judged), POLICY).action == "look-at-data"


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
