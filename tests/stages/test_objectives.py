"""Every objective from raw to the gate's verdict and an answer."""

import asyncio
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from three_numbers import X, answered, numbers, policy, rows, words

from flows import page
from medpipe import config, files, gate, objectives
from medpipe.promotion.approval import Approval
from medpipe.promotion.challenge import challenge


def test_a_signal_is_learned_measured_and_allowed(done):
    workload, _, outcome, report = done
    verdict = gate.decide(report, None, policy(workload.objective), None)
    assert verdict.reasons == []
    assert outcome["page"].endswith("report.html")
    assert report["objective"]["name"] == workload.objective


def test_every_metric_has_a_direction_a_name_and_an_interval_that_holds_it(done):
    *_, report = done
    better = report["objective"]["better"]
    metrics = report["splits"]["test"]["metrics"]
    assert list(metrics) == list(better)
    for found in metrics.values():
        assert found["low"] <= found["value"] <= found["high"]


def test_the_network_is_compared_with_gradient_boosting_on_the_same_patients(done):
    *_, report = done
    main = report["objective"]["main"]
    paired = report["baseline"]["difference"][main]
    assert paired["difference"] == pytest.approx(paired["model"] - paired["baseline"])
    assert paired["model"] == pytest.approx(report["splits"]["test"]["metrics"][main]["value"])
    assert paired["low"] <= paired["difference"] <= paired["high"]


def test_subgroups_are_judged_by_the_main_metric(done):
    *_, report = done
    main = report["objective"]["main"]
    judged = [group for group in report["subgroups"] if group["judged"]]
    assert [group["value"] for group in judged] == ["F", "M"]
    assert all(g["gap"][main]["low"] <= g["gap"][main]["value"] for g in judged)


def test_robustness_finds_what_the_network_cannot_do_without(done):
    *_, report = done
    (found,) = report["robustness"]
    assert found["gain"]["difference"] < 0


def test_the_page_words_every_metric_and_loads_nothing(done):
    _, layout, _, _ = done
    page = (layout.evaluation / "report.html").read_text(encoding="utf-8")
    assert "Gradient boosting on the same patients" in page
    assert "http" not in page.split("</style>")[1].replace("http://www.w3.org", "")
    assert page.count("<figure") >= 2
    pictures = {path.stem for path in (layout.evaluation / "plots").glob("*.svg")}
    numbers = {path.stem for path in (layout.evaluation / "curves").glob("*.csv")}
    assert pictures == numbers >= {"calibration"}


def test_the_artefact_agrees_with_the_network(done):
    _, _, _, report = done
    assert report["parity"]["probability_p95"] < 1e-4
    assert abs(report["parity"][f"{report['objective']['main']}_lost"]) < 1e-6


def test_the_gate_refuses_what_is_below_its_floor(done):
    workload, _, _, report = done
    main = report["objective"]["main"]
    strict = policy(workload.objective).model_copy(update={"floors": {main: 0.9999}})
    (reason,) = gate.decide(report, None, strict, None).reasons
    assert "lower bound" in reason


def test_a_champion_that_is_the_candidate_itself_differs_in_nothing(done, tmp_path):
    workload, layout, _, report = done
    settings = {**report["operating_point"], "serve": {"threads": 1}}
    files.write_json(tmp_path / "settings.json", settings)
    files.write_json(tmp_path / "state.json", {})
    shutil.copyfile(layout.onnx / "fp32.onnx", tmp_path / "model.onnx")
    better = report["objective"]["better"]
    compared = {name: 0.1 for name, side in better.items() if side == "lower"}
    gates = config.GateParams(margins={report["objective"]["main"]: 0.1, **compared})
    params = config.Params(gate=gates, evaluate=config.EvaluateParams(resamples=100))
    found = challenge(workload, params, layout, candidate=report, champion=tmp_path)
    assert found.report["operating_point"] == report["operating_point"]
    assert [each["difference"] for each in found.comparison.values()] == pytest.approx(
        [0] * len(gates.margins), abs=1e-6
    )


def test_a_champion_is_compared_in_any_metric_with_a_direction(done):
    workload, _, _, report = done
    better = report["objective"]["better"]
    name = next(n for n, side in better.items() if side == "lower")
    worse = {name: {"difference": 0.5, "low": 0.4, "high": 0.6}}
    demands = policy(workload.objective).model_copy(update={"margins": {name: 0.1}})
    (reason,) = gate.decide(report, report, demands, worse).reasons
    assert "upper bound +0.6, not below the margin's +0.1" in reason


def outcome(workload, report):
    """What the training flow hands to its page."""
    verdict = gate.decide(report, None, policy(workload.objective), None).as_json()
    facts = {"workload": workload.name, "version": "1", "summary": "is champion now", "waits": None}
    stages = dict.fromkeys(("preprocess", "train"), "unchanged")
    return {
        "verdict": {**verdict, **facts},
        "stages": stages,
        "bento": None,
        "pushed": False,
        "registry": "sqlite:///mlflow.db",
    }


def test_the_page_of_a_question_shows_the_candidate_the_champion_beside_it_and_the_reasons(done):
    workload, layout, _, report = done
    main = report["objective"]["main"]
    beside = {main: {"difference": 0.0123, "low": -0.01, "high": 0.03}}
    verdict = {**outcome(workload, report)["verdict"], "comparison": beside, "champion": "1"}
    facts = {"workload": workload.name, "version": "2", "content": "c", "sequence": 1}
    times = {"asked": "2026-01-01T00:00:00+00:00", "until": "2026-01-15T00:00:00+00:00"}
    why = ("It was trained because of drift",)
    question = Approval(**facts, **times, reason="drift", why=why, run=None)
    told = page.asked(layout, report, question, verdict)
    rows = [line for line in told.splitlines() if line.startswith(f"| {main} |")]
    assert len(rows) == 1
    assert rows[0].endswith("| 0.012 (−0.010 to 0.030) |")
    assert "\n- It was trained because of drift\n" in told
    assert "Without an answer by 2026-01-15T00:00:00+00:00 it is rejected" in told


def test_a_terminal_is_told_the_objective_s_own_figures_the_main_one_first(done):
    workload, layout, _, report = done
    told = page.farewell(layout, outcome(workload, report)).splitlines()
    main = report["objective"]["main"]
    found = report["splits"]["test"]["metrics"][main]
    assert told[1].startswith("Three numbers: ")
    assert told[1].endswith("(95 % intervals)")
    figures = f"{found['value']:.3f} ({found['low']:.3f}–{found['high']:.3f})"
    assert told[2].split(maxsplit=1) == [main, figures]


def test_the_operator_s_page_lists_every_metric_and_check(done):
    workload, layout, _, report = done
    text = page.markdown(layout, report, outcome(workload, report))
    assert all(f"| {name} |" in text for name in report["objective"]["better"])
    assert text.count("| ✔ |") == len(outcome(workload, report)["verdict"]["checks"])


ANSWER = {
    "binary": {"probability", "risk", "decision", "threshold", "possible"},
    "multiclass": {"decision", "classes", "possible"},
    "multilabel": {"labels"},
    "regression": {"value", "low", "high", "coverage", "unit"},
}
PAPERS = {
    *("answer_id", "workload", "model_version", "certificate_sha256", "intended_use"),
    *("duration_ms", "warnings", "explanation", "unfamiliar", "distance", "abstained"),
}


def test_the_promoted_model_answers_with_what_its_objective_says(done, client):
    workload, *_ = done
    assert set(answered(workload, client)) == PAPERS | ANSWER[workload.objective]


def test_the_answer_is_what_the_evaluation_measured(done, client):
    """The row of scores.parquet for the same patient, through the same operating point."""
    workload, layout, _, report = done
    scores = pd.read_parquet(layout.evaluation / "scores.parquet").iloc[0]
    row = next(r for r in rows(workload.objective) if r["example"] == scores["example"])
    found = answered(workload, client, **{name: row[name] for name in X})
    logits = scores[[name for name in scores.index if name.split(" ")[0] == "logit"]].to_numpy()
    objective = objectives.of(workload)
    point = objective.point(report["operating_point"])
    expected = objective.answer(np.squeeze(logits.astype(float)), point)
    assert numbers({name: found[name] for name in expected}) == pytest.approx(
        numbers(expected), abs=1e-5
    )
    assert words(found) == words(expected)
    assert found["distance"] == pytest.approx(
        scores["distance"] / report["familiar"]["distance"], rel=1e-4
    )


def test_many_at_once_get_their_own_answers(done, client):
    workload, *_ = done
    predictor = client.app.state.desk.catalogue.predictor(workload.name)
    bodies = [json.dumps({**workload.example, "age": age / 4}).encode() for age in range(-9, 10)]

    async def together():
        return await asyncio.gather(*map(predictor.answer, bodies))

    said = [
        [numbers(answer.model_dump(include=ANSWER[workload.objective])) for answer in answers]
        for answers in (asyncio.run(together()), [asyncio.run(predictor.answer(b)) for b in bodies])
    ]
    assert len({tuple(each) for each in said[0]}) == len(bodies)
    assert np.array(said[0]) == pytest.approx(np.array(said[1]), abs=1e-5)


def test_an_explanation_is_drawn_whatever_the_objective(done, client):
    workload, *_ = done
    found = client.post(f"/v1/{workload.name}?explain=true", json=workload.example).json()
    assert found["explanation"]["media_type"] == "image/svg+xml"
