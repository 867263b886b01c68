"""A new workload is a copy that runs, under its own name, with its facts still to be written."""

import shutil
import sys
from pathlib import Path

import pytest

from medpipe import config, doctor, draft, workloads
from medpipe.errors import ParamsError
from medpipe.workload import Workload

REPOSITORY = Path(__file__).parents[1]
NAMES = workloads.names()


def source(name: str) -> str:
    return (REPOSITORY / "medpipe" / "workloads" / f"{name}.py").read_text(encoding="utf-8")


@pytest.fixture
def clone(tmp_path, monkeypatch) -> Path:
    """A project whose workloads are those of this medpipe, and may be added to."""
    folder = tmp_path / "medpipe" / "workloads"
    shutil.copytree(workloads.__path__[0], folder)
    lines = [f"  {name}:\n    train: {{epochs: 2}} # as {name}\n" for name in NAMES]
    (tmp_path / "params.yaml").write_text("workloads:\n" + "".join(lines), encoding="utf-8")
    monkeypatch.setattr(workloads, "__path__", [str(folder)])
    yield tmp_path
    for module in [each for each in sys.modules if each == "medpipe.workloads.stroke_risk"]:
        del sys.modules[module]


@pytest.mark.parametrize("like", NAMES)
def test_the_copy_is_a_workload_of_its_own_with_the_same_columns(clone, like):
    draft.draft("stroke_risk", like, clone)
    made, model = workloads.get("stroke_risk"), workloads.get(like)
    assert isinstance(made, Workload)
    assert (made.name, type(made).__name__) == ("stroke_risk", "StrokeRisk")
    assert [c.name for c in made.columns] == [c.name for c in model.columns]
    assert (
        (clone / "params.yaml")
        .read_text()
        .endswith(f"  stroke_risk:\n    train: {{epochs: 2}} # as {like}\n")
    )
    assert config.load(clone, made).train.epochs == 2


@pytest.mark.parametrize("like", NAMES)
def test_every_fact_of_the_copy_is_to_be_filled_in_and_listed(clone, like):
    draft.draft("stroke_risk", like, clone)
    assert draft.unfilled(workloads.get(like)) == []
    missing = draft.unfilled(workloads.get("stroke_risk"))
    assert missing[:5] == ["title", "intended_use", "not_for", "looked_for", "question"]
    assert {"Question", "Cohort", "Label", "Not for"} <= set(missing)
    check = next(c for c in doctor.examine(clone) if c.name == "facts of workloads")
    assert not check.passed
    assert "stroke_risk: title, intended_use" in check.found


@pytest.mark.parametrize("like", NAMES)
def test_the_copy_changes_nothing_but_names_and_facts(like):
    made = draft.rewritten(source(like), workloads.get(like), "stroke_risk")
    model = source(like)
    kept = [line for line in model.splitlines() if line.startswith(("import ", "from "))]
    assert all(line in made.splitlines() for line in kept)
    assert max(len(line) for line in made.splitlines()) <= 100
    assert made.count("def ") == model.count("def ")
    assert like not in made.split("from __future__", 1)[1]


@pytest.mark.parametrize(
    ("name", "like", "expected"),
    [
        ("chest_xray", "icu_mortality", "is there already"),
        ("Stroke", "chest_xray", "cannot be a name"),
        ("class", "chest_xray", "cannot be a name"),
        ("../stroke", "chest_xray", "cannot be a name"),
        ("stroke", "nothing", "no workload is called 'nothing'"),
    ],
)
def test_what_cannot_be_begun_is_refused_and_nothing_is_written(clone, name, like, expected):
    before = {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()}
    with pytest.raises(ParamsError, match=expected):
        draft.draft(name, like, clone)
    assert {path: path.read_bytes() for path in clone.rglob("*") if path.is_file()} == before


def test_a_section_of_that_name_is_not_overwritten(clone):
    with (clone / "params.yaml").open("a") as file:
        file.write("  stroke: {train: {epochs: 9}}\n")
    with pytest.raises(ParamsError, match=r"section workloads\.stroke already"):
        draft.draft("stroke", "chest_xray", clone)
    assert not (clone / "medpipe/workloads/stroke.py").exists()


def test_a_project_that_medpipe_is_not_installed_from_is_told_to_clone(tmp_path):
    with pytest.raises(ParamsError, match="clone medpipe, install it there"):
        draft.draft("stroke", "chest_xray", tmp_path)
