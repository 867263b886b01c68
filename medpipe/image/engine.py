"""Docker or Podman as a command: the images and containers of this machine.

BentoML builds (`build.py`); this starts, asks, names and removes. A container that is started here
has no network, writes to memory only and may do nothing that needs a privilege: what it answers, it
answers by itself.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from medpipe import config
from medpipe.errors import MedpipeError
from medpipe.image import labels as labelling

Builder = Literal["docker", "podman", "buildah"]
BUILDERS: tuple[Builder, ...] = get_args(Builder)
_BUILD_TIMEOUT_S = 3600
_CALL_TIMEOUT_S = 600
_SHUT_OFF = (
    *("--network=none", "--read-only", "--tmpfs=/tmp"),
    *("--cap-drop=all", "--security-opt=no-new-privileges"),
)
_GPU = {"docker": "--gpus=all", "podman": "--device=nvidia.com/gpu=all"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """What builds images here, and what runs them.

    Parameters
    ----------
    builder : BentoML's name of it
    """

    builder: Builder

    @property
    def runner(self) -> str:
        """The command that has containers; Buildah's images are Podman's, too."""
        return "docker" if self.builder == "docker" else "podman"

    def fetch(self, image: str) -> None:
        """Have `image` on this machine.

        Raises
        ------
        MedpipeError : it is not here, and cannot be fetched
        """
        if self.has(image):
            return
        _log.info("image %s: fetching, for it is not on this machine yet", image)
        done = _run([self.runner, "pull", image])
        if done.returncode:
            raise MedpipeError(
                f"the base image {image} is not on this machine and cannot be fetched: "
                f"{_last(done, 1)}\nWithout a network load it with `{self.runner} load -i FILE`; "
                "another one is named by `image.base` (with --gpu: `image.cuda_base`) in "
                "params.yaml"
            )

    def build(
        self,
        bento: str,
        image: str,
        *,
        store: Path,
        labels: Mapping[str, str],
        options: Sequence[str] = (),
    ) -> None:
        """The bento `bento` in `store` as `image`, by ``bentoml containerize``; then its labels.

        Parameters
        ----------
        options : for the builder, as BentoML's ``--opt`` takes them

        Raises
        ------
        MedpipeError : the builder failed; its last lines are in the message
        """
        command = [sys.executable, "-m", "bentoml", "containerize", bento, "--backend"]
        command += [self.builder, "--image-tag", image, *(f"--opt={option}" for option in options)]
        done = _run(command, timeout_s=_BUILD_TIMEOUT_S, BENTOML_HOME=str(store))
        # BentoML ends with 0 where the builder did not.
        if done.returncode or not self.has(image):
            raise MedpipeError(
                f"the image could not be built with {self.builder}. If the lines below speak of a "
                "name that is not known or a package that is not found: the build needs a package "
                "index, by the base image's own pip configuration or --opt network=host\n"
                f"{_last(done, 15)}"
            )
        self._label(image, labels)

    def _label(self, image: str, labels: Mapping[str, str]) -> None:
        """Put `labels` and the health check onto `image`."""
        # OCI's format has no place for a health check; Docker writes its own anyway.
        form = ["--format=docker"] if self.runner == "podman" else []
        with tempfile.TemporaryDirectory(prefix="medpipe-") as folder:
            written = Path(folder) / "Containerfile"
            written.write_text(labelling.containerfile(image, labels), encoding="utf-8")
            self.call("build", *form, "--tag", image, "--file", str(written), folder)

    def has(self, image: str) -> bool:
        """Whether `image` is on this machine."""
        return _run([self.runner, "image", "inspect", image]).returncode == 0

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows of `image`: Id, Size, Config and more."""
        (found,) = json.loads(self.call("image", "inspect", image))
        return dict(found)

    def rename(self, image: str, name: str) -> None:
        """Give `image` the name `name`, and no other."""
        self.call("tag", image, name)
        self.call("rmi", image)

    def remove(self, image: str) -> None:
        """Take `image` from this machine, as far as nothing else needs it."""
        _run([self.runner, "rmi", image])

    def require_card(self, image: str) -> None:
        """Start `image` for a moment, to see one of NVIDIA's graphics cards from inside.

        Raises
        ------
        MedpipeError : none is to be seen; what the runner said is in the message
        """
        look = ["--rm", *_SHUT_OFF, _GPU[self.runner], "--entrypoint=nvidia-smi", image, "-L"]
        done = _run([self.runner, "run", *look])
        if done.returncode or "GPU" not in done.stdout:
            raise MedpipeError(
                f"no graphics card is to be seen from inside {image}: {_last(done, 1)}\nInstall "
                f"NVIDIA's driver and its Container Toolkit for {self.runner}, or build without "
                "trying a card: --gpu --without-card"
            )

    @contextmanager
    def started(self, image: str, *, environment: Mapping[str, str], gpu: bool) -> Iterator[str]:
        """Name of a container that serves `image`, shut off from everything; gone afterwards."""
        told = [f"--env={name}={value}" for name, value in environment.items()]
        reach = [_GPU[self.runner]] if gpu else []
        # Named here: one that was made but cannot be started stays, and prints no name.
        name = f"medpipe-{secrets.token_hex(8)}"
        try:
            self.call("run", "--detach", f"--name={name}", *_SHUT_OFF, *reach, *told, image)
            yield name
        finally:
            _run([self.runner, "rm", "--force", "--volumes", name])

    def ask(self, container: str, program: str, *arguments: str, given: str = "") -> Any:
        """What the Python `program` prints as JSON, run inside `container`; `given` is its stdin.

        Raises
        ------
        MedpipeError : it failed, or the container has ended; its own last words are in the message
        """
        command = [self.runner, "exec", "--interactive", container, labelling.PYTHON, "-c", program]
        done = _run([*command, *arguments], given=given)
        if done.returncode:
            said = _last(_run([self.runner, "logs", container]), 15)
            raise MedpipeError(
                f"the started image failed: {_last(done, 3)}\nIts log ends with:\n{said}"
            )
        return json.loads(done.stdout)

    def call(self, *arguments: str) -> str:
        """What the runner prints; MedpipeError where it fails."""
        done = _run([self.runner, *arguments])
        if done.returncode:
            raise MedpipeError(f"{self.runner} {arguments[0]} failed: {_last(done, 5)}")
        return done.stdout


def find(builder: Builder | None = None) -> Engine:
    """What there is on this machine; `builder` wants this one.

    Raises
    ------
    MedpipeError : there is none, or not that one; the message says what to install
    """
    missing = {name: why for name in BUILDERS if (why := _why_not(name))}
    found = [name for name in BUILDERS if name not in missing]
    if builder in found:
        return Engine(builder)
    if builder is None and found:
        return Engine(found[0])
    looked = "; ".join(f"{name}: {why}" for name, why in missing.items())
    here = f"; {', '.join(found)} can" if found else ""
    raise MedpipeError(
        f"{builder or 'nothing on this machine'} can build no image here ({looked}){here}. "
        "Install Podman (`apt-get install podman`, `dnf install podman`), or Docker with its "
        "daemon running and this account allowed to use it"
    )


def _why_not(builder: Builder) -> str:
    """What keeps `builder` from being used; empty where nothing does."""
    if not shutil.which(builder):
        return "not on the PATH"
    if builder == "docker" and (done := _run(["docker", "info"])).returncode:
        return f"its daemon does not answer, {_last(done, 1)}"
    if builder == "buildah" and not shutil.which("podman"):
        return "Podman is not beside it, which starts what Buildah builds"
    return ""


def _run(
    command: list[str], *, given: str = "", timeout_s: float = _CALL_TIMEOUT_S, **environment: str
) -> subprocess.CompletedProcess[str]:
    _log.debug("%s", " ".join(command[:6]))
    try:
        return subprocess.run(
            command,
            input=given,
            env=config.child_environment(**environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        raise MedpipeError(f"{command[0]} did not end within {timeout_s:.0f} s") from None


def _last(done: subprocess.CompletedProcess[str], lines: int) -> str:
    said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
    return "\n".join(line for line in said[-lines:]) or f"status {done.returncode}"
