"""Every objective from raw to the gate's verdict, on a table of three numbers per patient."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from fastapi.testclient import TestClient
from torch import nn

from flows import page
from medpipe import config, files, gate, objectives, promotion, workloads
from medpipe.paths import Layout
from medpipe.promotion.challenge import challenge
from medpipe.serving import api, catalogue, recorder
from medpipe.stages.evaluate import evaluate
from medpipe.stages.export import export
from medpipe.stages.preprocess import preprocess
from medpipe.stages.train import train
from medpipe.tables.raw import Raw
from medpipe.workload import COMMON, Column, Picture, Section, Workload

X = ("age", "pulse", "lactate")
LABELS = {
    "binary": (Column("ill", "int", "is ill", low=0, high=1),),
    "multiclass": (Column("course", "category", "the course", values=("well", "mild", "severe")),),
    "multilabel": tuple(Column(n, "int", n, low=0, high=1) for n in ("renal", "cardiac", "septic")),
    "regression": (Column("stay", "float", "length of stay", unit="days", low=0, high=200),),
}
FLOORS = {"regression": {"r2": 0.6}}
PATIENTS = 240
PAGE = Path(__file__).parents[2] / "service" / "page.html"


class Network(nn.Module):
    """Two layers; its map is the input's size."""

    def __init__(self, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, x):
        return self.layers(x)

    def explain(self, x):
        return self.layers(x), x.abs()


class Table(Workload):
    """Three numbers, and what they say."""

    title = "Three numbers"
    intended_use = not_for = "tests"
    payload = "record"
    example: ClassVar = {"age": 0.5, "pulse": 2.0, "lactate": 0.5}
    encode_params = model_params = Section

    def __init__(self, objective):
        labels = LABELS[objective]
        self.name = f"table_{objective}"
        self.objective, self.label = objective, labels[0].name
        self.labels = tuple(c.name for c in labels) if len(labels) > 1 else ()
        known = [Column(name, "float", name) for name in X]
        sex = Column("sex", "category", "sex", values=("F", "M"), subgroup=True)
        self.columns = (*COMMON, *known, sex, *labels)

    def fit(self, rows, params):
        return {}

    def encode(self, row, state):
        return {"x": np.array([row[name] for name in X], np.float32)}

    def features(self, inputs):
        return inputs["x"]

    def perturb(self):
        return {"no lactate": lambda batch, rng: {"x": batch["x"] * np.float32([1, 1, 0])}}

    def model(self, params, state):
        return Network(objectives.of(self).outputs)

    def draw(self, row, explanation):
        return Picture("image/svg+xml", b"<svg/>")

    def synthesise(self, folder, *, patients, seed): ...
    def source(self, name, path, *, options): ...

    def read(self, payload, *, limits):
        return dict(payload)


def truth(objective, x, rng):
    """Labels by column of rows `x` (N, 3), with some noise."""
    signal = (
        x @ np.array([[1.5, 0, 0], [0, 1.5, 0], [0.5, 0.5, 1.5]]) + rng.normal(size=x.shape) / 2
    )
    if objective == "regression":
        return {"stay": 20 + 3 * signal[:, 2] + 2 * signal[:, 0]}
    if objective == "multiclass":
        return {"course": np.array(["well", "mild", "severe"])[signal.argmax(1)]}
    yes = (signal > 0.3).astype(int)
    if objective == "binary":
        return {"ill": yes[:, 0]}
    known = pd.DataFrame(yes, columns=["renal", "cardiac", "septic"]).astype("Int64")
    return known.mask(rng.random(yes.shape) < 0.2).to_dict("list")


def rows(objective):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2 * PATIENTS, 3))
    columns = truth(objective, x, rng)
    return [
        {"example": f"e{i:04d}", "group": f"g{i // 2:04d}", "site": "s", "sex": "FM"[i // 2 % 2]}
        | dict(zip(X, map(float, x[i]), strict=True))
        | {name: None if values[i] is pd.NA else values[i] for name, values in columns.items()}
        for i in range(2 * PATIENTS)
    ]


def run(root, objective):
    """Every stage after ingest and validate; gives the report."""
    workload = Table(objective)
    layout = Layout(root, workload.name)
    params = config.parse(
        {
            "train": {"epochs": 30, "batch_size": 32, "learning_rate": 0.01, "precision": "fp32"},
            "split": {"val": 0.25, "test": 0.3},
            "export": {"variants": ["fp32"]},
            "evaluate": {"resamples": 100, "latency_runs": 5, "explained": 4},
            "gate": policy(objective).model_dump(),
        },
        workload,
    )
    Raw(layout.raw, workload.columns).append(rows(objective))
    files.write_json(layout.validation / "validation.json", {"passed": True, "failed": []})
    torch.set_num_threads(1)
    for stage in (preprocess, train, export):
        stage(workload, params, layout)
    outcome = evaluate(workload, params, layout)
    promoted = promotion.promote(workload, params, layout)
    assert promoted["allowed"], promoted["reasons"]
    return workload, layout, outcome, json.loads(layout.report.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=list(LABELS))
def done(request, tmp_path_factory):
    return run(tmp_path_factory.mktemp(request.param), request.param)


def policy(objective):
    main = "r2" if objective == "regression" else "auroc"
    return config.GateParams(
        floors=FLOORS.get(objective, {"auroc": 0.8}),
        margins={main: 0.02},
        subgroup_gap=0.5,
        ece_max=0.5,
        baseline_margin=0.2,
    )


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
    facts = {"workload": workload.name, "version": "1", "summary": "is champion now"}
    stages = dict.fromkeys(("preprocess", "train"), "unchanged")
    return {
        "verdict": {**verdict, **facts},
        "stages": stages,
        "bento": None,
        "pushed": False,
        "registry": "sqlite:///mlflow.db",
    }


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


@pytest.fixture
def client(done, tmp_path, monkeypatch):
    """The service over the promoted release, where the workload is installed."""
    workload, layout, _, _ = done
    installed = f"from {__name__} import Table\nWORKLOAD = Table({workload.objective!r})\n"
    (tmp_path / f"{workload.name}.py").write_text(installed)
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, str(tmp_path)])
    monkeypatch.setenv("MEDPIPE_AUDIT", f"sqlite:///{tmp_path / 'audit.db'}")
    app = api.create(
        lambda: catalogue.at(layout.root), recorder=lambda: recorder.at(layout.root), page=PAGE
    )
    with TestClient(app) as client:
        yield client


def answered(workload, client, **record):
    found = client.post(f"/v1/{workload.name}", json={**workload.example, **record})
    assert found.status_code == 200, found.text
    return found.json()


ANSWER = {
    "binary": {"probability", "risk", "decision", "threshold"},
    "multiclass": {"decision", "classes"},
    "multilabel": {"labels"},
    "regression": {"value", "low", "high", "coverage", "unit"},
}
PAPERS = {
    *("answer_id", "workload", "model_version", "certificate_sha256", "intended_use"),
    *("duration_ms", "warnings", "explanation"),
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


def numbers(answer):
    """Every number in `answer`, by where it stands."""
    if isinstance(answer, dict):
        answer = list(answer.items())
    if isinstance(answer, (list, tuple)):
        return [number for each in answer for number in numbers(each)]
    return [float(answer)] if isinstance(answer, (int, float)) else []


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
