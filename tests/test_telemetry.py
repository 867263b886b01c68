"""Nothing of the stack phones home, whichever command starts it."""

import json
import os
import subprocess
import sys

import pytest

from medpipe.telemetry import OFF


def bare_environment() -> dict[str, str]:
    """This environment without our switches, as a user's shell has it."""
    return {name: value for name, value in os.environ.items() if name not in OFF}


def test_every_python_of_the_environment_starts_with_telemetry_off():
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    started = subprocess.run(
        [sys.executable, "-c", script], env=bare_environment(), capture_output=True, check=True
    )
    found = json.loads(started.stdout)
    assert {name: found.get(name) for name in OFF} == OFF


def test_a_choice_of_the_user_is_kept():
    script = "import os; print(os.environ['DO_NOT_TRACK'])"
    environment = {**bare_environment(), "DO_NOT_TRACK": "false"}
    started = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert started.stdout.strip() == "false"


LOOKS_UP = """
import runpy, socket, sys
real, asked = socket.getaddrinfo, []
def recorded(host, *arguments, **options):
    asked.append(host if isinstance(host, str) else (host or b"").decode())
    return real("127.0.0.1", *arguments, **options)
socket.getaddrinfo = recorded
sys.argv = {argv!r}
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit:
    pass
outside = set(asked) - {{"", "127.0.0.1", "localhost", "::1", "0.0.0.0", socket.gethostname()}}
print("ASKED", sorted(outside))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv",
    [
        ["mlflow", "doctor", "--mask-envs"],
        ["prefect", "config", "view"],
        ["dvc", "doctor"],
        ["bentoml", "list"],
    ],
    ids=lambda argv: argv[0],
)
def test_a_command_of_the_stack_looks_up_no_host(tmp_path, argv):
    started = subprocess.run(
        [sys.executable, "-c", LOOKS_UP.format(argv=argv)],
        env={**bare_environment(), "BENTOML_HOME": str(tmp_path), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert started.stdout.splitlines()[-1] == "ASKED []"
