"""What monitoring must have found before nothing may be learned from the data."""

import pytest

from medpipe.plan.facts import doubt

WORSE = [{"name": "auroc", "worse": True}]
HELD = [{"name": "auroc", "worse": False}]


def found(action="look-at-data", performance=HELD, facts=(), certificate="c"):
    return {
        **{"certificate": certificate, "action": action, "reasons": ["why", "more"]},
        **{"performance": performance, "facts": list(facts)},
    }


def fact(kind, *, lasting):
    return {"fact": "age", "kind": kind, "lasting": lasting}


@pytest.mark.parametrize(
    ("verdict", "why"),
    [
        (found(performance=WORSE), "why"),
        (found(facts=[fact("not stated", lasting=True)]), "why"),
        (found(facts=[fact("not stated", lasting=False)]), None),
        (found(facts=[fact("spread", lasting=True)]), None),  # the mix of patients alone
        (found(action="retrain", performance=WORSE), None),
        (found(performance=WORSE, certificate="of another champion"), None),
        (None, None),
    ],
)
def test_worse_answers_and_missing_facts_are_doubts_and_a_moved_mix_is_none(verdict, why):
    advice = "medpipe monitor advises to look at the data: "
    assert doubt(verdict, "c") == (why and advice + why)
