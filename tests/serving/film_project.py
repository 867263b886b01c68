"""A project of films whose models are one line: to promote, serve and roll back for real."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import yaml
from brightness_release import SETTINGS, graph
from onnx import numpy_helper

from medpipe import files, keys, workloads
from medpipe.paths import Layout
from medpipe.tables.raw import Raw

WORKLOAD = "chest_xray"
LIMITS = {"max_side_px": 64, "min_side_px": 4, "max_pixels": 4096}
PARAMS = {
    "serve": {"max_upload_mib": 1, "batch_max": 4, "threads": 1},
    "ingest": {"max_side_px": 64, "min_side_px": 4},
    # What the gate judges is tested elsewhere.
    "gate": {"floors": {}, "margins": {}, "coverage_margin": None},
}
REPORT = {
    "workload": WORKLOAD,
    "variant": "fp32",
    "data": {"raw_version": "v", "commit": "c"},
    "receipt": {"digest": "d", "clean": True, "problems": []},
    "validation": {"passed": True, "failed": []},
    "objective": {"name": "binary", "main": "auroc", "better": {"auroc": "higher"}},
    "splits": {"test": {"metrics": {}}},
    "parity": {"auroc_lost": 0.0, "probability_p95": 0.0},
    "latency_ms": {"p95": 1.0},
    "familiar": {"distance": 100.0, "share": 0.99},
}


def film(seed):
    """A PNG that shows something, of a mean grey level near the middle."""
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 64), np.uint8)
    return cv2.imencode(".png", cv2.GaussianBlur(pixels, (0, 0), 3))[1].tobytes()


def bright(slope):
    """logit = slope · (mean / 255 − 0.5), as an ONNX graph."""
    made = graph()
    (eight,) = (each for each in made.graph.initializer if each.name == "eight")
    eight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(eight) * 0 + slope, "eight"))
    return made


@dataclass
class FilmProject:
    """The stages' outputs, written directly, in a checkout of its own at `root`."""

    root: Path

    @property
    def layout(self):
        return Layout(self.root, WORKLOAD)

    def make(self, **sections):
        """Parameters and raw; `sections` are laid over those above."""
        self.configure(**sections)
        workload = workloads.get(WORKLOAD)
        row = workload.read(film(0), limits=LIMITS)
        row |= {"example": "e0", "group": "g0", "pneumonia": 1, "original": None}
        Raw(self.layout.raw, workload.columns).append([row])
        return self

    def configure(self, **sections):
        """params.yaml anew."""
        text = yaml.safe_dump({"workloads": {WORKLOAD: {**PARAMS, **sections}}})
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "params.yaml").write_text(text)

    def train(self, *, slope=8.0, threshold=0.6, run="0" * 32):
        """The next candidate: artefact, state and report."""
        onnx_folder = self.layout.onnx
        onnx_folder.mkdir(parents=True, exist_ok=True)
        onnx.save(bright(slope), onnx_folder / "fp32.onnx")
        digest = files.sha256(onnx_folder / "fp32.onnx")
        files.write_json(onnx_folder / "state.json", {"size_px": 8, "contrast": "none"})
        variants = {"fp32": {"file": "fp32.onnx", "sha256": digest}}
        files.write_json(onnx_folder / "artefact.json", {"variants": variants, "run_id": run})
        files.write_json(self.layout.weights / "run.json", {"run_id": run})
        files.write_json(self.layout.weights / "params.json", {"train": {"epochs": 1}})
        (self.layout.weights / "history.csv").write_text("epoch,loss\n0,0.5\n")
        point = {name: SETTINGS[name] for name in ("temperature", "coverage", "least")}
        report = {**REPORT, "run_id": run, "artefact_sha256": digest}
        report["operating_point"] = {**point, "threshold": threshold}
        files.write_json(self.layout.report, report)

    def typed(self, *arguments, **environment):
        """The JSON that ``medpipe ARGUMENTS`` printed, in a process of its own, and its seconds."""
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "medpipe.cli", "--root", str(self.root), *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), time.monotonic() - started

    @property
    def environment(self):
        """What a service of the champions is told."""
        public = (self.layout.home.keys / keys.PUBLIC).read_text().strip()
        return {
            "MEDPIPE_RELEASES": str(self.layout.home.champions),
            "MEDPIPE_TRUSTED_KEYS": public,
        }
