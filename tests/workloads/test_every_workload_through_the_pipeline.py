"""Every workload from its own sample to an answered request, through the same stages and gate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from fastapi.testclient import TestClient

from medpipe import promotion, stages, workloads
from medpipe.paths import Layout
from medpipe.project import open_workload
from medpipe.serving import api, catalogue, recorder
from medpipe.tables.raw import Raw

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "service" / "page.html"
LENIENT = {
    "floors": {"auroc": 0.01},
    "subgroup_gap": 1.0,
    "ece_max": 1.0,
    "latency_p95_ms": 60_000.0,
    "baseline_margin": 1.0,
    "coverage_margin": 1.0,
}


@dataclass(frozen=True)
class Made:
    """A project, what its stages said, and what may stand in no file of it."""

    name: str
    root: Path
    outcomes: dict[str, dict[str, Any]]
    verdict: dict[str, Any]
    people: frozenset[str]

    @property
    def layout(self) -> Layout:
        return Layout(self.root, self.name)


@pytest.fixture(scope="module", params=workloads.names())
def made(request, tmp_path_factory) -> Made:
    """One epoch on the sample, promoted by a policy that any model passes."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    section = {
        "source": {"name": "sample", "patients": 160},
        "split": {"val": 0.25, "test": 0.3},
        "train": {"epochs": 1, "batch_size": 32, "device": "cpu", "threads": 1},
        "export": {"variants": ["fp32"], "parity_examples": 32},
        "evaluate": {"resamples": 100, "explained": 3, "latency_runs": 5},
        "gate": LENIENT,
    }
    (root / "params.yaml").write_text(yaml.safe_dump({"workloads": {name: section}}))
    outcomes = {stage: stages.run(stage, name, root=root) for stage in stages.NAMES}
    opened = open_workload(name, root)
    verdict = promotion.promote(opened.workload, opened.params, opened.layout)
    source = opened.workload.source("sample", opened.layout.source, options={})
    identities = (
        (item, opened.workload.identity(item.payload.read_bytes()))
        if isinstance(item.payload, Path) and item.payload.suffix == ".dcm" and readable(item)
        else (item, None)
        for item in source.items()
    )
    people = {str(item.patient_id or (who and who.patient_id)) for item, who in identities}
    return Made(name, root, outcomes, verdict, frozenset(people - {"None"}))


def readable(item) -> bool:
    """Whether a file of the sample has a header at all; some are broken on purpose."""
    return item.payload.is_file() and item.payload.read_bytes()[128:132] == b"DICM"


def test_each_stage_leaves_what_the_next_one_needs(made):
    assert made.outcomes["ingest"]["examples"] > 100
    assert made.outcomes["validate"]["passed"]
    assert made.outcomes["preprocess"]["clean"]
    assert made.outcomes["export"]["fp32"]["probability_p95"] < 1e-4
    assert made.verdict["allowed"], made.verdict["reasons"]


def test_no_patient_s_number_is_in_raw_or_in_any_report(made):
    assert len(made.people) > 50
    small = [c.name for c in workloads.get(made.name).columns if not c.content]
    frame = Raw(made.layout.raw, workloads.get(made.name).columns).frame(small)
    values = {str(value) for column in frame for value in frame[column].dropna().unique()}
    assert not made.people & values
    for path in made.layout.evaluation.rglob("*.json"):
        assert not [person for person in made.people if f'"{person}"' in path.read_text()]


def test_every_example_keeps_to_one_side_and_every_row_is_accounted_for(made):
    receipt = json.loads((made.layout.ready / "receipt.json").read_text())
    kept = sum(counts["examples"] for counts in receipt["counts"].values())
    assert kept + sum(receipt["left_out"].values()) == made.outcomes["ingest"]["examples"]
    scores = pd.read_parquet(made.layout.evaluation / "scores.parquet")
    assert scores.groupby("group")["split"].nunique().max() == 1


def test_a_baseline_stands_beside_every_network_that_has_features(made):
    report = json.loads((made.layout.evaluation / "report.json").read_text())
    has_features = (
        type(workloads.get(made.name)).features
        is not type(workloads.get(made.name)).__mro__[1].features
    )
    assert bool(report.get("baseline")) == has_features


@pytest.fixture
def client(made):
    app = api.create(
        lambda: catalogue.at(made.root), recorder=lambda: recorder.at(made.root), page=PAGE
    )
    with TestClient(app) as client:
        yield client


def test_the_service_answers_and_says_what_moved_the_answer(made, client):
    answer = ask(made, client).json()
    assert 0 <= answer["risk"] <= 1
    assert answer["explanation"]["picture"]
    if workloads.get(made.name).payload == "record":
        assert answer["explanation"]["reasons"]


def test_the_service_says_what_to_send(made, client):
    papers = client.get(f"/v1/{made.name}").json()
    workload = workloads.get(made.name)
    assert papers["payload"] == workload.payload
    if workload.payload == "record":
        fields = papers["request"]["properties"]
        limited = [
            c for c in workload.columns if c.name in fields and c.unit and c.high is not None
        ]
        assert limited
        assert all(c.unit in fields[c.name]["x-allowed"] for c in limited)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not what is asked for"])
def test_nonsense_gets_a_4xx_that_says_what_to_do(made, client, content):
    kind = "application/json" if workloads.get(made.name).payload == "record" else "image/png"
    answer = client.post(f"/v1/{made.name}", content=content, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


OUTSIDE = {
    "icu_mortality": ({"age_years": 70, "sex": "F"}, "nothing was measured in the first 48 hours"),
    "readmission": ({"discharge_disposition": "died"}, "the patient died"),
}
"""What is stated of someone whom the question is not about, and the reason."""


def test_a_request_that_the_question_is_not_about_is_refused_with_the_reason(made, client):
    if made.name not in OUTSIDE:
        pytest.skip("no record of this workload is outside its question")
    stated, reason = OUTSIDE[made.name]
    answer = client.post(f"/v1/{made.name}", json=stated)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(reason)


def ask(made: Made, client: TestClient):
    """The answer to the workload's own example, or to a file of the sample."""
    workload = workloads.get(made.name)
    if workload.payload == "record":
        return client.post(f"/v1/{made.name}?explain=true", json=dict(workload.example))
    films = workload.source("sample", made.layout.source, options={}).items()
    film = next(item.payload for item in films if readable(item))
    return client.post(f"/v1/{made.name}?explain=true", files={"file": film.read_bytes()})
