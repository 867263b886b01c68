"""What is written is whole or not there."""

import errno
import os
import subprocess
import sys

import pytest

from medpipe import files
from medpipe.errors import MissingStageError, StorageError


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "ready"
    with files.new_folder(target) as folder:
        (folder / "a").write_text("1")
        assert not target.exists()
    assert (target / "a").read_text() == "1"


def test_a_failed_block_leaves_the_earlier_folder_and_nothing_else(tmp_path):
    target = tmp_path / "ready"
    with files.new_folder(target) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(ValueError, match="broken"), files.new_folder(target) as folder:
        (folder / "a").write_text("new")
        raise ValueError("broken")
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_a_failed_file_leaves_the_earlier_one(tmp_path):
    target = tmp_path / "a.json"
    files.write_json(target, {"x": 1})
    with pytest.raises(ValueError, match="Out of range float values"):
        files.write_json(target, {"x": float("nan")})
    assert files.read_json(target, made_by="x") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_killed_writer_leaves_no_folder_that_looks_whole(tmp_path):
    script = (
        "import os, pathlib, signal; from medpipe import files\n"
        f"with files.new_folder(pathlib.Path({str(tmp_path / 'ready')!r})) as folder:\n"
        "    (folder / 'a').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert not (tmp_path / "ready").exists()
    with files.new_folder(tmp_path / "ready") as folder:
        (folder / "b").write_text("whole")
    assert [path.name for path in (tmp_path / "ready").iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EACCES, "make the folder writable"),
    ],
)
def test_a_disk_that_refuses_is_explained(tmp_path, number, expected):
    with pytest.raises(StorageError, match=expected), files.new_file(tmp_path / "x") as partial:
        partial.write_text("half")
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_other_faults_keep_their_own_words(tmp_path):
    with pytest.raises(IsADirectoryError), files.explained(tmp_path):
        tmp_path.read_text()


@pytest.mark.parametrize(("content", "expected"), [(None, "is not there"), ("{", "is not whole")])
def test_json_that_is_missing_or_torn_names_the_command_that_makes_it(tmp_path, content, expected):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(MissingStageError, match=f"{expected}.*dvc repro evaluate"):
        files.read_json(path, made_by="dvc repro evaluate")
