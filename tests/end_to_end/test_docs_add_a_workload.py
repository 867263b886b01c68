"""docs/add-a-workload.md, followed to the letter: its commands run, its changes are made.

``sh`` blocks are run, ``diff`` blocks are applied to the file in their first line, a ``python``
block is the new docstring of the file, and a ``yaml`` block must be a section that is allowed.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import quick_project
import yaml

from medpipe import config, workloads

pytestmark = pytest.mark.slow

PAGE = quick_project.REPOSITORY / "docs" / "add-a-workload.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIKE = "icu_mortality"
QUICK = """\
workloads:
  icu_mortality: # small and short, as a test needs it
    source: {name: sample, patients: 220}
    ingest: {}
    validate: {min_examples: 50}
    split: {val: 0.2, test: 0.3}
    preprocess: {}
    model: {}
    augment: {}
    train: {epochs: 2, device: cpu, threads: 1}
    export: {variants: [fp32], parity_examples: 32}
    evaluate: {resamples: 200, explained: 1, latency_runs: 5}
    gate: {floors: {auroc: 0.01}}
    serve: {}
"""


@dataclass
class Followed:
    """A project in which the page was followed, and what each command printed."""

    root: Path
    printed: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.root / "medpipe" / "workloads" / "long_stay.py"

    def run(self, command: str) -> None:
        if command.startswith("pytest"):  # what it needs beside the project
            tests = quick_project.REPOSITORY / "tests" / "workloads"
            shutil.copytree(tests, self.root / "tests" / "workloads")
        done = subprocess.run(
            shlex.split(command),
            cwd=self.root,
            env=quick_project.environment(PWD=str(self.root), PYTHONPATH=str(self.root)),
            capture_output=True,
            text=True,
            check=False,
        )
        told = f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        assert done.returncode == 0, told
        self.printed[command] = done.stdout

    def change(self, block: str) -> None:
        """Apply a ``diff`` block; its old lines must be in the file once, as they stand there."""
        head, *lines = block.splitlines()
        path = self.root / head.removeprefix("--- ")
        old = "".join(f"{line[1:]}\n" for line in lines if line[:1] in "- ")
        new = "".join(f"{line[1:]}\n" for line in lines if line[:1] in "+ ")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{head} has not, or not once:\n{old}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write_docstring(self, block: str) -> None:
        text = self.file.read_text(encoding="utf-8")
        code = text.split('"""\n', 1)[1]
        self.file.write_text(block + code, encoding="utf-8")


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> Followed:
    root = quick_project.make(tmp_path_factory.mktemp("clone") / "medpipe")
    (root / "params.yaml").write_text(QUICK, encoding="utf-8")
    project = Followed(root)
    for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            for command in block.splitlines():
                project.run(command)
        elif kind == "diff":
            project.change(block)
        elif kind == "python":
            project.write_docstring(block)
    return project


def test_nothing_is_left_to_be_filled_in(followed):
    assert "FILL IN" not in followed.file.read_text(encoding="utf-8")
    assert "Still to be written" not in followed.printed["medpipe card long_stay"]


def test_the_column_that_was_added_is_in_the_dictionary_and_in_raw(followed):
    lines = followed.printed["medpipe card long_stay --data"].splitlines()
    (entry,) = [line for line in lines if "frailty_points" in line]
    assert "numbers from 1 to 9 points" in entry
    part = next((followed.root / "data/long_stay/raw").glob("part-*.parquet"))
    columns = pq.read_schema(part).names
    assert {"frailty_points", "long_stay"} <= set(columns)
    assert "died_in_hospital" not in columns


def test_the_run_ended_at_the_gate_with_a_report(followed):
    report = followed.root / "reports/long_stay/evaluate/report.html"
    assert "More than a week in hospital" in report.read_text(encoding="utf-8")
    assert '"verdict"' in followed.printed["medpipe run long_stay --no-package"]


def test_the_contract_was_tested_over_the_new_workload(followed):
    told = next(text for command, text in followed.printed.items() if command.startswith("pytest"))
    assert re.search(r"\b[1-9]\d+ passed", told)
    assert "failed" not in told


def test_the_search_of_the_page_scored_two_trials(followed):
    assert '"complete": 2' in followed.printed["medpipe tune long_stay --trials 2"]


def test_the_new_workload_is_named_in_its_file_and_its_section_only(followed):
    own = {followed.file, followed.root / "params.yaml"}
    code = [*followed.root.rglob("medpipe/**/*.py"), *followed.root.rglob("flows/*.py")]
    code += [followed.root / "dvc.yaml", *followed.root.rglob("service/*")]
    named = {path for path in code if path.is_file() and b"long_stay" in path.read_bytes()}
    assert named <= own


@pytest.mark.parametrize(
    "block", [b for kind, b in BLOCK.findall(PAGE.read_text()) if kind == "yaml"]
)
def test_every_section_on_the_page_is_one_that_is_allowed(block):
    section = yaml.safe_load(block)
    workload = workloads.get(LIKE)
    assert config.parse(section, workload).source.name == "table"
    named = set(section["source"]["options"]["columns"]) - {"frailty_points"}
    assert named <= {column.name for column in workload.columns}
