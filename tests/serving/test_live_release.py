"""A real ``bentoml serve`` under load while its champion is exchanged: nobody is turned away."""

import time

import asking
import pytest
import running
from film_project import WORKLOAD, FilmProject

pytestmark = pytest.mark.slow
SWAP_S = 10
"""From the command to the model it names answering: what a person at night may count on."""


@pytest.fixture
def project(tmp_path):
    made = FilmProject(tmp_path / "project").make()
    made.train(threshold=0.6)
    made.typed("promote", WORKLOAD)
    return made


def test_promote_and_rollback_reach_every_client_in_ten_seconds_and_drop_no_request(
    project, tmp_path, pytestconfig
):
    told = {**project.environment, "MEDPIPE_WORKERS": "2"}
    with (
        running.serve(pytestconfig.rootpath, tmp_path, **told) as address,
        asking.asked(address) as clients,
    ):
        clients.wait_for("1", s=30)
        project.train(threshold=0.7)
        for command, version in ((("promote",), "2"), (("rollback", "--reason", "alarms"), "1")):
            started = time.monotonic()
            project.typed(command[0], WORKLOAD, *command[1:])
            assert clients.wait_for(version, s=60) - started < SWAP_S
    assert clients.versions() == {"1", "2"}  # neither an error nor a refusal
