"""Where a training stands."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from medpipe.learning.checkpoints import Checkpoints, opened


def names(states: Checkpoints) -> list[str]:
    return sorted(path.name for path in states.folder.glob("*"))


def test_the_newest_state_comes_back(tmp_path: Path) -> None:
    states = opened(tmp_path, {"seed": 1})
    assert states.newest() is None
    states.save({"weights": torch.arange(3.0), "note": "a"}, epoch=1, batch=0)
    states.save({"weights": torch.arange(4.0), "note": "b"}, epoch=1, batch=7)
    found = opened(tmp_path, {"seed": 1}).newest()
    assert found is not None
    assert found["note"] == "b"
    assert torch.equal(found["weights"], torch.arange(4.0))


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    states = opened(tmp_path, {})
    for epoch in (8, 9, 10, 11):
        states.save({}, epoch=epoch, batch=0)
    assert names(states) == ["00010-0000000.pt", "00011-0000000.pt"]


def test_a_training_of_other_facts_starts_afresh_and_clears_the_old(tmp_path: Path) -> None:
    opened(tmp_path, {"seed": 1}).save({}, epoch=1, batch=0)
    other = opened(tmp_path, {"seed": 2})
    assert other.newest() is None
    assert list(tmp_path.iterdir()) == [other.folder]


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage"])
def test_a_file_that_is_not_whole_is_passed_over(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    states = opened(tmp_path, {})
    for epoch in (1, 2):
        states.save({"epoch": epoch, "weights": torch.zeros(1000)}, epoch=epoch, batch=0)
    newest = states.folder / "00002-0000000.pt"
    whole = newest.read_bytes()
    newest.write_bytes({"cut": whole[:2000], "empty": b"", "garbage": b"x" * 999}[damage])
    found = states.newest()
    assert found is not None
    assert found["epoch"] == 1
    assert "00002-0000000.pt is not whole" in caplog.text


def test_what_a_kill_leaves_half_written_is_not_taken_for_a_state(tmp_path: Path) -> None:
    states = opened(tmp_path, {})
    (states.folder / ".partial-00001-0000000.pt").write_bytes(b"half")
    assert states.newest() is None


def test_loading_runs_no_code(tmp_path: Path) -> None:
    states = opened(tmp_path, {})
    torch.save({"model": torch.nn.Linear(1, 1)}, states.folder / "00001-0000000.pt")
    assert states.newest() is None
