"""The command teaches, starts at once, and turns errors into one readable message."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from medpipe import cli

HEAVY = {
    "torch",
    "mlflow",
    "optuna",
    "prefect",
    "lightning_fabric",
    "pandas",
    "great_expectations",
    "bentoml",
}


def medpipe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medpipe.cli", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_loads_nothing_heavy():
    script = f"import medpipe.cli, sys; print({HEAVY!r} & set(sys.modules) or 'none')"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert started.stdout.strip() == "none"


def test_help_names_every_command_with_its_line():
    text = " ".join(CliRunner().invoke(cli.main_group, ["--help"]).output.split())
    assert [name for name, (_, line) in cli.COMMANDS.items() if f"{name} {line}" not in text] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_that_says_what_it_does(name):
    result = CliRunner().invoke(cli.main_group, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert len(result.output.split("\n\n")[1].strip()) > 20


def test_an_unknown_workload_names_the_known_ones(tmp_path):
    result = medpipe("params", "chest_xary", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("medpipe: no workload is called 'chest_xary'; there are: chest")
    assert "Traceback" not in result.stderr


def test_a_folder_that_is_no_project_says_so(tmp_path):
    result = medpipe("stage", "ingest", "chest_xray", cwd=tmp_path)
    assert result.returncode == 1
    assert "no params.yaml in" in result.stderr
