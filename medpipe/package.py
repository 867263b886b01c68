"""Champions as a bento: their releases, the code that answers, and pinned requirements.

BentoML runs as a command of its own, on a folder made for it: it cannot see the project, so nothing
of it gets in by accident, and its store may lie in the project without being packed into itself.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from medpipe import certificate, config, files, keys, reach, telemetry, workloads
from medpipe.errors import MedpipeError
from medpipe.image.foundation import Base
from medpipe.paths import SOURCE, Layout

SERVICE = "service.service:MedpipeService"
SYSTEM = "system.txt"
"""What is done to the base image before anything is installed, one command a line."""
_RELEASES = "releases"
_IN_THE_IMAGE = {
    **telemetry.OFF,
    "UV_NO_CACHE": "1",  # which would stay in the image
    "UV_PYTHON_DOWNLOADS": "never",  # the base brings it, or the build says that it does not
}
_MIB = 1 << 20
_BUILD_TIMEOUT_S = 600


def package(layouts: Sequence[Layout], base: Base) -> dict[str, Any]:
    """Build one bento of promoted workloads; the same releases and code give the same tag.

    Parameters
    ----------
    layouts : of each workload, all of one project
    base : what an image of it will stand on

    Returns
    -------
    dict
        tag, path, mib and releases (of each workload: version, certificate's digest).

    Raises
    ------
    CertificateError : there is no release, or its certificate does not fit it, or the code here, or
        has expired
    MedpipeError : BentoML refuses
    StorageError : the disk is full or may not be written
    """
    signed = {layout.workload: _signed(layout) for layout in layouts}
    home = layouts[0].home
    store = home.bentos.resolve()
    with (
        files.explained(home.bentos),
        tempfile.TemporaryDirectory(prefix="medpipe-") as scratch,
    ):
        context = Path(scratch).resolve()
        _fill(context, layouts, signed, base)
        name = f"medpipe_{'_'.join(signed)}{base.suffix}"
        versions = "-".join(f"v{each['version']}" for each in signed.values())
        version = f"{versions}-{_tree_digest(context)[:12]}"
        bento = store / "bentos" / name / version
        # Built anew even if it is there: only a build makes it "latest", as a rollback needs.
        shutil.rmtree(bento, ignore_errors=True)
        _build(context, store, name, version)
    size = sum(path.stat().st_size for path in bento.rglob("*") if path.is_file())
    return {
        "tag": f"{name}:{version}",
        "path": str(bento),
        "mib": round(size / _MIB, 2),
        "releases": {
            workload: {"version": each["version"], "certificate": certificate.digest(each)}
            for workload, each in signed.items()
        },
    }


def requirements(root: Path) -> list[str]:
    """The core of medpipe, each pinned as in ``root/constraints.txt``, else as installed here."""
    pins = {}
    path = root / "constraints.txt"
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([\w.\-]+)==(\S+)", line):
                pins[match[1].lower().replace("_", "-")] = match[2]
    names = sorted(reach.distributions(None))
    return [f"{name}=={pins.get(name) or metadata.version(name)}" for name in names]


def _signed(layout: Layout) -> dict[str, Any]:
    """The certificate of the champion, which fits release, code and day."""
    signed = certificate.read(layout.champion)
    certificate.verify(signed, layout.champion, keys.trusted(layout.home))
    certificate.verify_code(signed, SOURCE)
    certificate.verify_time(signed, datetime.now(UTC))
    return signed


def _fill(
    context: Path, layouts: Sequence[Layout], signed: Mapping[str, dict[str, Any]], base: Base
) -> None:
    """Everything that belongs into the bento, and nothing else."""
    for path, relative in _code(list(signed)):
        target = context / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for layout in layouts:
        release = context / _RELEASES / layout.workload
        release.mkdir(parents=True)
        for name in (*certificate.COVERED, certificate.FILE):
            shutil.copyfile(layout.champion / name, release / name)
        key = signed[layout.workload]["public_key"]
        (release / keys.PUBLIC).write_text(f"{key}\n", encoding="utf-8")
    pinned = (line.split("==") for line in requirements(layouts[0].root))
    wanted = [f"{base.instead.get(name, name)}=={version}" for name, version in pinned]
    for name, lines in (("requirements.txt", wanted), (SYSTEM, base.commands)):
        text = "".join(f"{line}\n" for line in lines)
        (context / name).write_text(text, encoding="utf-8")
    files.write_json(context / "bentofile.yaml", _bentofile(signed, base))  # JSON is YAML


def _code(names: Sequence[str]) -> Iterator[tuple[Path, Path]]:
    """Files of ours that the service needs, with their place; data beside modules included."""
    forbidden = reach.packages(reach.distributions("pipeline"))
    objectives = {workloads.get(name).objective for name in names}
    roots = [
        SERVICE.partition(":")[0],
        *(f"medpipe.workloads.{name}" for name in names),
        *(f"medpipe.objectives.{name}" for name in sorted(objectives)),  # no import shows these
    ]
    found = set(reach.modules(roots, SOURCE, forbidden).values())
    beside = {
        path
        for folder in {module.parent for module in found}
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    for path in sorted(found | beside):
        yield path, path.relative_to(SOURCE)


def _bentofile(signed: Mapping[str, dict[str, Any]], base: Base) -> dict[str, Any]:
    return {
        "service": SERVICE,
        "labels": {
            workload: f"v{each['version']}-{certificate.digest(each)[:16]}"
            for workload, each in signed.items()
        },
        "include": ["*"],
        "python": {"requirements_txt": "./requirements.txt", "lock_packages": False},
        "docker": {"base_image": base.image, "python_version": base.python},
        "envs": [{"name": name, "value": value} for name, value in _IN_THE_IMAGE.items()],
    }


def _build(context: Path, store: Path, name: str, version: str) -> None:
    store.mkdir(parents=True, exist_ok=True)
    environment = config.child_environment(
        BENTOML_HOME=str(store),
        # BentoML looks for uv on the path, and installs it into our environment where it is not.
        PATH=f"{Path(sys.executable).parent}:{config.environment('PATH') or ''}",
    )
    command = [sys.executable, "-m", "bentoml", "build", str(context)]
    try:
        done = subprocess.run(
            [*command, "--name", name, "--version", version, "--output", "tag"],
            cwd=context,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_BUILD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise MedpipeError(
            f"bentoml build did not end within {_BUILD_TIMEOUT_S} s; run it again"
        ) from None
    if done.returncode or not (store / "bentos" / name / version / "bento.yaml").is_file():
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise MedpipeError(f"bentoml build failed with status {done.returncode}:\n{last}")


def _tree_digest(folder: Path) -> str:
    """SHA-256 over names and contents of all files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{files.sha256(path)}\n".encode())
    return digest.hexdigest()
