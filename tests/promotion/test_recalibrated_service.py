"""From answers of a started service, and what became of them, to other risks that it gives."""

import json
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from scipy.special import expit

from medpipe import card, keys, trace, workloads
from medpipe.audit import place as places
from medpipe.serving import access, api, recorder
from medpipe.serving.catalogue import Catalogue

ASKED = 300


@pytest.fixture
def catalogue(project):
    home = project.layout.home
    return Catalogue(home.champions, trusted=lambda _: keys.trusted(home))


@pytest.fixture
def client(catalogue, project, monkeypatch, pytestconfig):
    """A client of a service that answers for the champion, whichever it is."""
    here = str(Path(__file__).parent / "workloads")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, here])
    monkeypatch.delenv(places.VARIABLE, raising=False)
    project.configure(plan={"recalibrate": {"cases_least": 25, "intercept": {"high": 3.0}}})
    project.train(4.0, 0.3)
    project.promote()
    made = api.create(
        lambda: catalogue,
        recorder=lambda: recorder.at(project.layout.root),
        page=pytestconfig.rootpath / "service/page.html",
        porter=access.at(project.layout.root),
    )
    with TestClient(made) as client:
        yield client


def ask(client, level):
    row = json.dumps({"level": level, "noise": 0.0}).encode()
    return client.post("/v1/level", files={"file": row}).json()


@pytest.mark.slow
def test_the_service_gives_other_risks_and_the_same_decisions_without_a_restart(
    client, catalogue, project
):
    rng, levels = np.random.default_rng(0), np.linspace(-0.7, 1.7, 9)
    before = [ask(client, level) for level in levels]
    for level in rng.uniform(-1, 2, ASKED):
        answer = ask(client, level)
        happened = rng.random() < expit(4 * (level - 0.5) + 2)  # risks are too low by that
        path = f"/v1/answers/{answer['answer_id']}/outcome"
        told = client.post(path, json={"high": int(happened)})
        assert told.status_code == 200
    outcome = project.recalibrate()
    assert outcome["champion"] == "2"
    catalogue.refresh()  # it looks by itself every few seconds
    after = [ask(client, level) for level in levels]
    assert {answer["model_version"] for answer in after} == {"2"}
    odds = [[a["risk"] / (1 - a["risk"]) for a in answers] for answers in (before, after)]
    factor = np.exp(outcome["correction"]["intercept"])
    assert np.array(odds[1]) / odds[0] == pytest.approx(factor, rel=1e-6)
    assert factor == pytest.approx(np.exp(2), rel=0.6)
    for first, second in zip(before, after, strict=True):
        assert first["decision"] == second["decision"]
        assert first["possible"] == second["possible"]
        assert first["probability"] == second["probability"]
    old, new = (trace.trace(a[0]["answer_id"], project.layout.root) for a in (before, after))
    assert "recalibration" not in old
    assert (new["recalibration"]["of"], new["model"]["version"]) == ("1", "2")
    assert any("recalibrated: The odds of each risk" in line for line in trace.words(new))
    shown = card.model_markdown(card.model(project.workload, project.layout))
    assert "## Recalibrated\nThe model of version 1 with other risks." in shown
