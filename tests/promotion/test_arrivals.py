"""Labels that break upstream are noticed before anything is learned from them, or by the gate."""

import numpy as np
import pytest

from medpipe.monitoring import facts
from medpipe.monitoring.facts import Watched
from medpipe.objectives.binary import Binary
from medpipe.promotion import arrivals, judgement
from medpipe.serving.session import Session

GOOD = (4.0, 0.0)
DRIFT = "drift"


def patients(first, count, *, broken=(), turned=()):
    """`count` of them at sites a and b, the level telling the label.

    Labels at the sites `broken` belong to others; levels at the sites `turned` are negatives.
    """
    rng = np.random.default_rng(first)
    rows = []
    for number in range(first, first + count):
        level, site = rng.uniform(), "ab"[number % 2]
        high = int(level + 0.1 * rng.standard_normal() > 0.5)
        row = {"example": f"n{number}", "group": f"n{number}", "site": site}
        row |= {"level": 2 - level if site in turned else level, "noise": rng.standard_normal()}
        rows.append({**row, "high": int(rng.integers(2)) if site in broken else high})
    return rows


@pytest.fixture
def watching(project):
    """A champion that stores what its inputs were, and of each site how it did."""
    project.rows.clear()
    project.arrive(patients(0, 600))
    train = project.train

    def trained(*weights):
        train(*weights)
        report = project.report()
        report["watched"] = reference(project).model_dump(mode="json")
        report["subgroups"] = [by_site(report, site) for site in "ab"]
        project.write_report(report)

    project.train = trained
    project.train(*GOOD)
    assert project.promote()["allowed"]
    return project


def reference(project):
    """How level, distance and risk are spread over the test examples."""
    rows = project.frame.to_dict("records")
    encoded = np.stack([project.workload.encode(row, {"middle": 0.5})["x"] for row in rows])
    judged = Session(project.layout.onnx / "fp32.onnx", threads=1).judge({"x": encoded})
    risks = Binary().link(judged.logit)
    found = [
        facts.fact("level", "input", [row["level"] for row in rows]),
        facts.fact("risk", "score", [float(risk) for risk in risks]),
    ]
    return Watched(splits=("test",), examples=len(rows), facts=tuple(found))


def by_site(report, site):
    metrics = report["splits"]["test"]["metrics"]
    return {
        **{"column": "site", "value": site, "judged": True, "metrics": metrics},
        "gap": {"auroc": {"value": 0.0, "low": -0.05, "high": 0.05}},
    }


def planned(project):
    finding = judgement.planned(project.workload, project.params, project.layout, DRIFT)
    return list(finding.broken)


def test_right_labels_and_labels_that_are_too_few_raise_no_doubt(watching):
    assert planned(watching) == []
    watching.arrive(patients(1000, 300))
    assert planned(watching) == []
    watching.train(*GOOD)
    watching.promote()
    watching.arrive(patients(2000, 90, broken="ab"))
    assert planned(watching) == []


@pytest.mark.parametrize("sites", ["ab", "b"])
def test_labels_of_other_patients_stop_a_training_before_it_begins(watching, sites):
    watching.arrive(patients(1000, 300, broken=sites))
    found = planned(watching)
    assert all(line.startswith("plan.data.doubted: the champion orders the ") for line in found)
    assert any("150 labelled examples that came in after it at site b worse" in f for f in found)
    assert any(" at site a " in line for line in found) == ("a" in sites)
    assert all("see whether their labels are right" in line for line in found)


def test_a_site_whose_inputs_have_moved_is_what_a_training_is_for(watching):
    watching.arrive(patients(1000, 300, turned="b"))
    assert planned(watching) == []


def test_labels_that_break_while_another_site_moves_are_noticed_at_their_own(watching):
    watching.arrive(patients(1000, 600, turned="b", broken="a"))
    (line,) = planned(watching)
    assert "300 labelled examples that came in after it at site a worse" in line


def test_the_plan_may_allow_it(watching):
    watching.configure(plan={"data": {"doubted": True}})
    watching.arrive(patients(1000, 300, broken="ab"))
    assert planned(watching) == []


def test_what_was_learned_must_reach_the_floor_on_the_newest_alone(watching):
    watching.configure(gate={"ece_max": 1.0, "floors": {"auroc": 0.7}, "margins": {"auroc": 0.2}})
    watching.arrive(patients(1000, 80, broken="ab"))  # too few for monitoring's own limit
    watching.train(4.0, 0.1)
    outcome = watching.promote()
    failed = {check["name"]: check["why"] for check in outcome["checks"] if not check["passed"]}
    assert list(failed) == ["auroc of the newest"]
    assert failed["auroc of the newest"].startswith(
        "AUROC of the 80 test examples that came in after the champion has the upper bound 0."
    )
    assert watching.status()["champion"] == "1"


def test_few_and_none_that_are_new_pass_and_say_so(watching):
    watching.arrive(patients(1000, 10, broken="ab"))
    watching.train(4.0, 0.1)
    checks = {check["name"]: check for check in watching.promote()["checks"]}
    assert checks["auroc of the newest"]["passed"]
    assert checks["auroc of the newest"]["why"] == (
        "The 10 test examples that came in after the champion are too few to be judged alone"
    )


def test_a_certificate_that_counts_no_parts_is_no_ground_for_doubt(watching):
    older = {"data": {"source": "sample", "labelled": 600}}
    given = (watching.workload, watching.params, watching.layout)
    watching.arrive(patients(1000, 300, broken="ab"))
    assert arrivals.doubts(*given, watching.layout.champion, older) == ()
    assert arrivals.newest(*given, watching.report(), older) is None
