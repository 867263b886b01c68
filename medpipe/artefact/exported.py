"""The files that export wrote, each checked against the digest that it noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe import files
from medpipe.errors import MissingStageError
from medpipe.paths import Layout

UNPRUNED = "unpruned"
"""fp32 of the network before it was pruned: to compare with, never served."""
EXECUTORCH = "executorch"
"""The network as a program of ExecuTorch: for devices, never served."""


@dataclass(frozen=True)
class Artefact:
    """An exported file and what export says of it."""

    path: Path
    variant: str
    sha256: str
    run_id: str
    parity: Mapping[str, Any]


def find(layout: Layout, variant: str) -> Artefact:
    """The artefact's `variant`, its file checked.

    Raises
    ------
    MissingStageError : there is no such variant or file, or the file is another one
    """
    listed = _listed(layout)
    if variant not in listed["variants"]:
        raise MissingStageError(
            f"{layout.onnx} has no variant {variant!r}, only {', '.join(listed['variants'])}; add "
            f"it to export.variants and run `{_made_by(layout)}` again"
        )
    return _checked(layout, listed, variant, listed["variants"][variant])


def every(layout: Layout) -> list[Artefact]:
    """All variants, fp32 first; before it the network as it was not yet pruned; last the program.

    Raises
    ------
    MissingStageError : as `find`
    """
    listed = _listed(layout)
    entries = {name: listed.get(name) for name in (UNPRUNED, EXECUTORCH)} | listed["variants"]
    variants = sorted(listed["variants"], key=lambda name: (name != "fp32", name))
    order = (UNPRUNED, *variants, EXECUTORCH)
    return [_checked(layout, listed, name, entries[name]) for name in order if entries[name]]


def program(layout: Layout, run_id: str) -> Path | None:
    """The program of ExecuTorch, if the network of `run_id` lies there as one."""
    if not (layout.onnx / "artefact.json").is_file():
        return None
    listed = _listed(layout)
    if listed["run_id"] != run_id or EXECUTORCH not in listed:
        return None
    return _checked(layout, listed, EXECUTORCH, listed[EXECUTORCH]).path


def _listed(layout: Layout) -> dict[str, Any]:
    found: dict[str, Any] = files.read_json(layout.onnx / "artefact.json", made_by=_made_by(layout))
    return found


def _checked(
    layout: Layout, listed: Mapping[str, Any], name: str, entry: Mapping[str, str]
) -> Artefact:
    parity = files.read_json(layout.onnx / "parity.json", made_by=_made_by(layout))
    path = layout.onnx / entry["file"]
    if not path.is_file() or files.sha256(path) != entry["sha256"]:
        raise MissingStageError(
            f"{path} is not the file that export wrote; run `{_made_by(layout)}` again"
        )
    return Artefact(path, name, entry["sha256"], listed["run_id"], parity.get(name, {}))


def _made_by(layout: Layout) -> str:
    return f"medpipe stage export {layout.workload}"
