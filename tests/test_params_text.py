"""A program's change of params.yaml is the change that a person would have made."""

import difflib
from pathlib import Path

import pytest
from test_config import QUESTION, project

from medpipe import config
from medpipe.errors import ParamsError

REAL = Path(__file__).parents[1] / "params.yaml"
WRITTEN = """\
workloads:
  question:
    train:
      epochs: 3   # short
      l2: 0.1
    # a word about the next section
    evaluate: {threshold: {at: 0.9}}
    augment:
# the end
"""


def changed(folder: Path, text: str, values: dict[str, object]) -> list[str]:
    """The lines of a diff, without its head, of setting `values` in `text`."""
    config.set_values(project(folder, text), QUESTION, values)
    after = (folder / "params.yaml").read_text(encoding="utf-8")
    lines = difflib.ndiff(text.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("train.epochs", 12, ["-       epochs: 3   # short", "+       epochs: 12   # short"]),
        ("train.learning_rate", 0.00317, ["+       learning_rate: 0.00317"]),
        ("train.optimiser", "sgd", ["+       optimiser: sgd"]),
        (
            "evaluate.seed",
            5,
            [
                "-     evaluate: {threshold: {at: 0.9}}",
                "+     evaluate: {threshold: {at: 0.9}, seed: 5}",
            ],
        ),
        ("split.val", 0.2, ["+     split: {val: 0.2}"]),
        ("serve.threads", 1, ["+     serve: {threads: 1}"]),
    ],
)
def test_only_the_line_that_is_meant_changes(tmp_path, name, value, expected):
    assert changed(tmp_path, WRITTEN, {name: value}) == expected


def test_a_new_value_stands_before_the_comment_of_the_next_section(tmp_path):
    changed(tmp_path, WRITTEN, {"train.l1": 0.5})
    lines = (tmp_path / "params.yaml").read_text().splitlines()
    assert lines[4:7] == ["      l2: 0.1", "      l1: 0.5", "    # a word about the next section"]


def test_an_empty_section_may_be_filled(tmp_path):
    text = "workloads:\n  question:\n"
    assert changed(tmp_path, text, {"train.l2": 0.5})[-1] == "+   question: {train: {l2: 0.5}}"


def test_a_value_that_is_not_allowed_leaves_the_file_as_it_was(tmp_path):
    with pytest.raises(ParamsError, match=r"train\.epochs is 0"):
        config.set_values(project(tmp_path, WRITTEN), QUESTION, {"train.epochs": 0})
    assert (tmp_path / "params.yaml").read_text() == WRITTEN


def test_an_anchor_of_others_is_not_changed(tmp_path):
    text = "shared: &rate 0.1\nworkloads:\n  question:\n    train: {l2: *rate}\n"
    with pytest.raises(ParamsError, match="change it by hand"):
        config.set_values(project(tmp_path, text), QUESTION, {"train.l2": 0.5})
    assert (tmp_path / "params.yaml").read_text() == text


def test_spelled_lines_say_what_was_set(tmp_path):
    lines = config.spelled("question", {"train.epochs": 4, "train.optimiser": "sgd"})
    params = config.load(project(tmp_path, lines), QUESTION)
    assert (params.train.epochs, params.train.optimiser) == (4, "sgd")


def test_a_copied_section_brings_its_comments_and_nothing_else_moves(tmp_path):
    text = """\
workloads:
  first: # as the example
    train:
      epochs: 3
      # the end of the first

  # about the second
  second:
    train: {epochs: 5} # few
# the end
"""
    config.add_workload(project(tmp_path, text), "third", like="first")
    copied = """\
  third: # as the example
    train:
      epochs: 3
      # the end of the first
# the end
"""
    assert (tmp_path / "params.yaml").read_text() == text.removesuffix("# the end\n") + copied


def test_the_example_of_this_project_can_be_copied(tmp_path):
    config.add_workload(
        project(tmp_path, REAL.read_text(encoding="utf-8")), "stroke", like="chest_xray"
    )
    assert config.workload_names(tmp_path)[-1] == "stroke"


@pytest.mark.parametrize(
    ("name", "like", "expected"),
    [
        ("question", "question", "section workloads.question already"),
        ("other", "nothing", "no section workloads.nothing"),
    ],
)
def test_a_section_is_neither_overwritten_nor_made_of_nothing(tmp_path, name, like, expected):
    with pytest.raises(ParamsError, match=expected):
        config.add_workload(project(tmp_path, WRITTEN), name, like=like)
