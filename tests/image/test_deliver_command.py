"""`medpipe image` and `medpipe package` as they are typed."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from medpipe import cli, config
from medpipe.errors import MedpipeError
from medpipe.project import open_workload

BASES = {"chest_xray": "a:1", "readmission": "b:1"}


@pytest.fixture
def project(tmp_path):
    """Two workloads that want different images, and no champion."""
    sections = {name: {"image": {"base": base}} for name, base in BASES.items()}
    written = yaml.safe_dump({"workloads": sections})
    (tmp_path / "params.yaml").write_text(written, encoding="utf-8")
    return tmp_path


def typed(project, *arguments):
    """The error that ``medpipe ARGUMENTS`` ends with."""
    with pytest.raises(MedpipeError) as told:
        CliRunner().invoke(
            cli.main_group, ["--root", str(project), *arguments], catch_exceptions=False
        )
    return str(told.value)


@pytest.mark.parametrize("command", ["image", "package"])
def test_workloads_that_want_different_images_are_not_put_into_one(project, command):
    said = typed(project, command, "readmission", "chest_xray")
    assert "section image of readmission differs from that of chest_xray" in said


def test_without_a_builder_image_says_so_before_it_reads_any_release(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    assert "podman: not on the PATH" in typed(project, "image", "chest_xray")


def test_without_card_is_about_images_for_cards(project):
    assert "give --gpu, too" in typed(project, "image", "chest_xray", "--without-card")


def test_without_a_champion_package_says_what_to_do(project):
    assert "medpipe promote" in typed(project, "package", "chest_xray")


def test_the_base_of_params_is_the_base_of_the_image(project):
    params: config.Params = open_workload("readmission", project).params
    assert params.image.base == "b:1"


def test_help_teaches_with_an_example_of_each_way():
    said = CliRunner().invoke(cli.main_group, ["image", "--help"]).output
    for words in (
        "read-only",
        "chest_xray readmission",
        "--gpu --without-card",
        "--backend",
        "docs/image.md",
    ):
        assert words in said
