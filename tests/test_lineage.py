"""Lineage: what a result was made from, said plainly even where nothing is known."""

import subprocess

import pytest

from medpipe import lineage
from medpipe.paths import Layout


def git(folder, *arguments):
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "One")
    return tmp_path


def test_a_clean_commit_is_its_revision(repository):
    assert str(lineage.commit(repository)) == git(repository, "rev-parse", "HEAD")


def test_uncommitted_changes_are_flagged(repository):
    (repository / "file").write_text("two")
    assert lineage.commit(repository).is_dirty
    assert str(lineage.commit(repository)).endswith("with uncommitted changes")


def test_untracked_files_change_nothing(repository):
    (repository / "data").write_text("x")
    assert not lineage.commit(repository).is_dirty


def test_without_git_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert str(lineage.commit(tmp_path)) == "none (not a git repository)"
    git(tmp_path, "init", "-q")
    assert str(lineage.commit(tmp_path)) == "none (no commit yet)"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(lineage.commit(tmp_path)) == "none (git is not installed)"


def test_the_data_version_is_dvcs_hash_of_raw(tmp_path):
    layout = Layout(tmp_path, "chest_xray")
    assert lineage.data_version(layout) is None
    (tmp_path / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  ingest@chest_xray:\n    outs:\n"
        "    - path: data/chest_xray/raw\n      md5: abc.dir\n"
    )
    assert lineage.data_version(layout) == "abc.dir"
    assert lineage.tags(layout)["data.dvc"] == "abc.dir"


def test_tags_name_no_place_and_no_person(tmp_path):
    tags = lineage.tags(Layout(tmp_path, "chest_xray"))
    assert tags["environment.python"].startswith("3.")
    assert not any(str(tmp_path) in value for value in tags.values())
