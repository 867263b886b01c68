"""The folder for the edge: built from a promoted model, run with numpy and ONNX Runtime alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from medpipe import cli, promotion, stages
from medpipe.edge.parity import alone
from medpipe.errors import MedpipeError
from medpipe.project import open_workload

pytestmark = pytest.mark.slow  # it trains and promotes

LENIENT = {
    **{"floors": {"auroc": 0.01}, "subgroup_gap": 1.0, "ece_max": 1.0, "coverage_margin": 1.0},
    **{"latency_p95_ms": 60_000.0, "baseline_margin": 1.0, "parity_auroc": 0.05},
}
SMALL = {"chest_xray": {"model": {"architecture": "small_cnn", "width": 4}}}


@pytest.fixture(scope="module", params=["chest_xray", "readmission"])
def built(request, tmp_path_factory):
    """Workload's name, folder, and what the command printed."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    section = {
        "source": {"name": "sample", "patients": 160},
        "split": {"val": 0.25, "test": 0.3},
        "train": {"epochs": 1, "batch_size": 32, "device": "cpu", "threads": 1},
        "export": {
            "variants": ["fp32", "fp16", "int8"],
            "parity_examples": 16,
            "calibration_examples": 16,
        },
        "evaluate": {"resamples": 100, "explained": 0, "latency_runs": 5},
        "serve": {"threads": 1},
        "gate": LENIENT,
        **SMALL.get(name, {}),
    }
    (root / "params.yaml").write_text(yaml.safe_dump({"workloads": {name: section}}))
    for stage in stages.NAMES:
        stages.run(stage, name, root=root)
    opened = open_workload(name, root)
    assert promotion.promote(opened.workload, opened.params, opened.layout)["allowed"]
    command = [
        "--root",
        str(root),
        "export",
        name,
        "--edge",
        "--variant",
        "fp16",
        "--examples",
        "24",
    ]
    if name == "readmission":
        command += ["--to", os.path.relpath(root / "dist" / "edge" / name)]
    done = CliRunner().invoke(cli.main_group, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return name, root / "dist" / "edge" / name, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def copied(built, tmp_path):
    return Path(shutil.copytree(built[1], tmp_path / "folder"))


def question(name, path):
    """A payload as a person would send it, and the path that it lies at."""
    if name == "chest_xray":
        shades = np.random.default_rng(0).integers(0, 256, (80, 70), dtype=np.uint8)
        path.write_bytes(cv2.imencode(".png", shades)[1].tobytes())
    else:
        from medpipe import workloads

        path.write_text(json.dumps(workloads.get(name).example))
    return str(path)


def test_the_command_says_size_latency_parity_and_cost(built):
    _, folder, said = built
    assert said["variant"] == "fp16"
    assert said["parity"]["examples"] > 15
    assert said["parity"]["p95"] < 0.01
    assert said["latency_ms"]["p50"] > 0
    assert abs(said["cost"]["difference"]) < 0.05
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert abs(said["mib"] - size / 2**20) < 0.01


def test_an_answer_has_what_the_service_says_and_by_whose_authority(built, tmp_path):
    name, folder, said = built
    answer = json.loads(alone(folder, question(name, tmp_path / "asked")))
    assert answer["workload"] == name
    assert answer["decision"] == (answer["risk"] >= answer["threshold"])
    assert answer["certificate_sha256"] == said["certificate"]
    assert answer["model_version"] == "1"
    assert {"possible", "unfamiliar", "distance", "abstained", "intended_use"} <= answer.keys()


def test_it_runs_its_own_code_where_medpipe_is_installed(built, tmp_path):
    line = [sys.executable, str(built[1] / "run.py"), question(built[0], tmp_path / "asked")]
    loads = f"import sys, medpipe, runpy; sys.argv = {line[1:]}; runpy.run_path(sys.argv[0], None, "
    program = loads + "'__main__')"
    done = subprocess.run(
        [line[0], "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert json.loads(done.stdout)["certificate_sha256"], done.stderr


def test_nothing_else_can_be_imported_where_the_folder_is_tried(copied):
    run = copied / "run.py"
    first = "from __future__ import annotations\n"
    run.write_text(run.read_text().replace(first, f"{first}import cryptography\n"))
    with pytest.raises(MedpipeError, match="No module named 'cryptography'"):
        alone(copied)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.onnx", "model.onnx has changed"),
        ("settings.json", "settings.json has changed"),
        ("medpipe/workload.py", "medpipe/workload.py has changed"),
        ("standins/cv2.py", "standins/cv2.py has changed"),
        ("certificate.json", "certificate.json has changed"),
        ("numpy.py", "numpy.py was put into the folder"),
    ],
)
def test_a_changed_or_added_file_stops_it_before_any_answer(built, copied, tmp_path, name, says):
    with (copied / name).open("ab") as file:
        file.write(b"\n")
    asked = [sys.executable, str(copied / "run.py"), question(built[0], tmp_path / "asked")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_digests_written_anew_without_the_key_do_not_help(copied, tmp_path):
    import hashlib

    (copied / "settings.json").write_text("{}")
    statement = json.loads((copied / "edge.json").read_text())
    statement["files"]["settings.json"] = hashlib.sha256(b"{}").hexdigest()
    (copied / "edge.json").write_text(json.dumps(statement))
    with pytest.raises(MedpipeError, match=r"edge\.json was not signed by"):
        alone(copied)


def test_another_key_than_the_one_asked_for_is_not_trusted(copied):
    with pytest.raises(MedpipeError, match="was not signed by 0000"):
        alone(copied, "--key", "00" * 32)


def test_what_cannot_be_answered_is_said_and_the_rest_is_answered(built, tmp_path):
    name, folder, _ = built
    (tmp_path / "odd").write_bytes(bytes(128) + b"DICM" if name == "chest_xray" else b"[]")
    lines = alone(folder, str(tmp_path / "odd"), question(name, tmp_path / "good")).splitlines()
    first, second = map(json.loads, lines)
    assert ("pip install pydicom" if name == "chest_xray" else "one JSON object") in first["error"]
    assert "risk" in second
