"""What a result was made from: code, data, environment.

Facts only, as short strings, fit to be tags: no host name, no user, no path.
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from medpipe import __version__, config
from medpipe.paths import Layout

_PACKAGES = (
    "torch",
    "lightning-fabric",
    "monai",
    "onnx",
    "onnxruntime",
    "numpy",
    "pandas",
    "pydicom",
)
"""Whose release may change a number."""
_GIT_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Commit:
    """Where the code and the parameters stood.

    Parameters
    ----------
    revision : 40 hexadecimal digits; None where git does not know
    is_dirty : tracked files differ from the revision
    note : empty, or in words why there is no revision
    """

    revision: str | None
    is_dirty: bool = False
    note: str = ""

    def __str__(self) -> str:
        """The revision, with uncommitted changes flagged, or the reason why there is none."""
        if self.revision is None:
            return f"none ({self.note})"
        return f"{self.revision} with uncommitted changes" if self.is_dirty else self.revision


def commit(root: Path) -> Commit:
    """The git commit that `root` stands at; never an error, because a project may have no git."""
    try:
        head = _git(root, "rev-parse", "HEAD")
        if head.returncode:
            return Commit(None, note=_reason(head.stderr))
        status = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except FileNotFoundError:
        return Commit(None, note="git is not installed")
    except subprocess.TimeoutExpired:
        return Commit(None, note=f"git did not answer within {_GIT_TIMEOUT_S:g} s")
    return Commit(head.stdout.strip(), is_dirty=bool(status.returncode or status.stdout.strip()))


def has_commit(root: Path, revision: str) -> bool:
    """Whether the repository at `root` has `revision`, as `commit` words it."""
    try:
        return _git(root, "cat-file", "-e", f"{revision.split()[0]}^{{commit}}").returncode == 0
    except (FileNotFoundError, IndexError, subprocess.TimeoutExpired):
        return False


def data_version(layout: Layout) -> str | None:
    """DVC's hash of the workload's raw, by which `dvc pull` finds it; None where DVC knows none."""
    return config.locked_hash(layout.root, str(layout.raw.relative_to(layout.root).as_posix()))


def environment() -> dict[str, str]:
    """Versions and the kind of machine, for a run's tags."""
    facts = {
        "medpipe": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }
    return facts | {name: found for name in _PACKAGES if (found := _version(name)) is not None}


def tags(layout: Layout) -> dict[str, str]:
    """All of the above under dotted names, as MLflow's tags take them."""
    facts = {"code.commit": str(commit(layout.root))}
    if (version := data_version(layout)) is not None:
        facts["data.dvc"] = version
    return facts | {f"environment.{name}": value for name, value in environment().items()}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_GIT_TIMEOUT_S,
    )


def _reason(stderr: str) -> str:
    """Git's complaint as a tag may hold it: without the path that it names."""
    if "not a git repository" in stderr:
        return "not a git repository"
    if "dubious ownership" in stderr:
        return "git does not trust the folder's owner; see git's safe.directory"
    return (
        "no commit yet" if "unknown revision" in stderr or "ambiguous" in stderr else "git failed"
    )
