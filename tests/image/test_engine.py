"""What builds images here, or a message that says what was looked for and what to do."""

from __future__ import annotations

import socket
import stat
import textwrap

import pytest

from medpipe.errors import MedpipeError
from medpipe.image import engine
from medpipe.image.engine import Engine

LABELS = {"org.opencontainers.image.title": "medpipe_chest_xray"}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A PATH that holds only what a test writes there: small shell scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def write(name, script):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


@pytest.mark.usefixtures("commands")
def test_where_nothing_builds_every_builder_that_was_looked_for_is_named():
    with pytest.raises(MedpipeError) as told:
        engine.find()
    for name in engine.BUILDERS:
        assert f"{name}: not on the PATH" in str(told.value)
    assert "apt-get install podman" in str(told.value)


def test_docker_without_its_daemon_is_no_builder_and_the_reason_is_told(commands):
    commands("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(MedpipeError, match=r"docker: its daemon does not answer, Cannot connect"):
        engine.find()


def test_podman_is_taken_where_docker_has_no_daemon(commands):
    commands("docker", "exit 1")
    commands("podman", "")
    assert engine.find() == Engine("podman")


def test_the_builder_that_was_asked_for_is_not_replaced_by_another(commands):
    commands("podman", "")
    with pytest.raises(MedpipeError, match=r"docker can build no image here.*; podman can\. Inst"):
        engine.find("docker")


def test_buildah_alone_cannot_start_what_it_builds(commands):
    commands("buildah", "")
    with pytest.raises(MedpipeError, match="buildah: Podman is not beside it"):
        engine.find("buildah")


def test_what_buildah_builds_is_run_by_podman():
    assert [Engine(name).runner for name in engine.BUILDERS] == ["docker", "podman", "podman"]


def test_a_base_image_that_is_nowhere_is_named_with_what_to_do():
    if engine.BUILDERS and not _podman():
        pytest.skip("Podman is not here")
    with socket.socket() as listener:  # a port of this machine where nobody answers
        listener.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{listener.getsockname()[1]}/nothing:1"
        with pytest.raises(MedpipeError) as told:
            Engine("podman").fetch(name)
    assert f"the base image {name} is not on this machine and cannot be fetched" in str(told.value)
    assert "podman load -i FILE" in str(told.value)
    assert "image.base" in str(told.value)


def test_a_builder_that_fails_quietly_is_noticed(commands, tmp_path):
    commands("podman", "exit 1")
    with pytest.raises(MedpipeError, match="could not be built with podman"):
        Engine("podman").build("medpipe_none:v1", "none:v1", store=tmp_path, labels=LABELS)


def test_a_card_that_is_seen_from_inside_is_enough(commands):
    commands(
        "podman", 'test "$1" = run && case "$*" in *nvidia.com/gpu=all*) echo GPU 0: H200; esac'
    )
    Engine("podman").require_card("base:1")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'unresolvable CDI devices nvidia.com/gpu=all' >&2; exit 126", "unresolvable CDI"),
        ("echo 'No devices found.'", "No devices found"),
    ],
)
def test_without_a_card_it_is_told_what_to_install_or_to_type(commands, script, reason):
    commands("podman", script)
    with pytest.raises(MedpipeError, match=rf"from inside base:1: .*{reason}") as told:
        Engine("podman").require_card("base:1")
    assert "Container Toolkit for podman" in str(told.value)
    assert "--gpu --without-card" in str(told.value)


def test_a_container_that_was_made_but_cannot_be_started_is_removed(commands, tmp_path):
    commands("podman", 'echo "$@" >> "${0%/*}/told"; test "$1" = rm')
    with (
        pytest.raises(MedpipeError, match="podman run failed"),
        Engine("podman").started("some:1", environment={}, gpu=False),
    ):
        pytest.fail("it has not started")
    run, remove = (tmp_path / "told").read_text().splitlines()
    (name,) = [word.removeprefix("--name=") for word in run.split() if "--name=" in word]
    assert remove == f"rm --force --volumes {name}"


def _podman():
    try:
        return engine.find("podman")
    except MedpipeError:
        return None
