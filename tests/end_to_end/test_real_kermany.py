"""Real radiographs of children, from the published folders to an answered upload.

Kermany et al. 2018 (doi:10.17632/rscbjbr9sj.2). By patient, no child of test was trained on; the
publication's own split shares 170 of them, which the receipt must say and the gate refuse.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import quick_project
from fastapi.testclient import TestClient
from quick_project import WORKLOAD

from medpipe import promotion, stages
from medpipe.paths import Layout
from medpipe.project import open_workload
from medpipe.serving import api, catalogue, recorder

FILMS = (
    Path(os.environ.get("MEDPIPE_REAL_DATA", quick_project.REPOSITORY.parent / "shared" / "data"))
    / "chest_xray_kermany"
)
RECIPE: dict[str, dict[str, Any]] = {
    "source": {"name": "kermany", "path": str(FILMS)},
    "ingest": {"max_side_px": 256},
    # The published test films are brighter than its training films; equalising evens that out.
    "preprocess": {"size_px": 64, "contrast": "equalise"},
    "model": {"architecture": "small_cnn", "width": 24},
    "augment": {"rotate_deg": 8.0},
    "train": {"epochs": 5, "batch_size": 64, "learning_rate": 0.003},
    "evaluate": {"resamples": 500},
    "gate": {"floors": {"auroc": 0.95}, "subgroup_gap": 0.1, "ece_max": 0.1},
}
pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(not FILMS.is_dir(), reason="no real films: set MEDPIPE_REAL_DATA"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def ingested(tmp_path_factory) -> Path:
    """A project that has read and validated all films; to be copied."""
    root = quick_project.make(tmp_path_factory.mktemp("films") / "project", changes=RECIPE)
    outcome = run(root, "ingest")
    assert outcome["items"] == 5840
    assert outcome["quarantined"] == {"duplicate": 31}
    assert run(root, "validate")["passed"]
    return root


def run(root: Path, *names: str) -> dict[str, Any]:
    """Run the stages `names` in the project at `root`; gives the last one's outcome."""
    for name in names:
        outcome = stages.run(name, WORKLOAD, root=root)
    return outcome


def evaluated(ingested: Path, root: Path, changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The report of the project copied to `root` with `changes`, and the gate's verdict."""
    shutil.copytree(ingested, root)
    quick_project.set_params(root, {**RECIPE, **changes})
    run(root, "preprocess", "train", "export", "evaluate")
    opened = open_workload(WORKLOAD, root)
    report = json.loads(opened.layout.report.read_text("utf-8"))
    return {"report": report, "verdict": promotion.promote(*vars(opened).values())}


def test_by_patient_the_model_is_good_promoted_and_answers(ingested, tmp_path):
    split = {"split": {"val": 0.15, "test": 0.25}}
    found = evaluated(ingested, tmp_path / "by patient", split)
    test = found["report"]["splits"]["test"]
    assert found["report"]["receipt"]["clean"]
    assert test["metrics"]["auroc"]["value"] >= 0.98, test["metrics"]["auroc"]
    assert found["verdict"]["allowed"], found["verdict"]["reasons"]
    knows_its_limits(found["report"])
    film = next((FILMS / "test" / "PNEUMONIA").glob("*.jpeg"))
    root = tmp_path / "by patient"
    app = api.create(
        lambda: catalogue.at(root),
        recorder=lambda: recorder.at(root),
        page=root / "service" / "page.html",
    )
    with TestClient(app) as client:
        answer = client.post(f"/v1/{WORKLOAD}", files={"file": film.read_bytes()}).json()
    assert answer["certificate_sha256"] == found["verdict"]["certificate"]
    assert 0 <= answer["risk"] <= 1


def knows_its_limits(report: dict[str, Any]) -> None:
    """Sets hold the truth as promised, few films are turned away, and no foreign one passes."""
    sets = report["splits"]["test"]["sets"]
    for held in (sets["coverage"], *sets["outcomes"].values()):
        assert held["high"] >= report["operating_point"]["coverage"], sets
    assert report["familiar"]["flagged"]["test"]["value"] <= 0.03
    foreign = {each["change"]: each["auroc"]["value"] for each in report["familiar"]["foreign"]}
    assert len(foreign) == 6
    assert min(foreign.values()) >= 0.95, foreign


def test_the_published_split_is_measured_and_refused_for_its_shared_patients(ingested, tmp_path):
    found = evaluated(ingested, tmp_path / "published", {"split": {"by": "published"}})
    test = found["report"]["splits"]["test"]
    assert test["metrics"]["auroc"]["value"] >= 0.95, test["metrics"]["auroc"]
    receipt = json.loads(
        (Layout(tmp_path / "published", WORKLOAD).ready / "receipt.json").read_text()
    )
    assert receipt["shared_groups"]["count"] == 170
    assert not found["verdict"]["allowed"]
    assert "170 groups" in " ".join(found["verdict"]["reasons"])
