"""Which modules of ours a program needs: what goes into an image, and nothing else.

Followed are the imports that run when a module is imported, and those inside functions as far as
they lead to modules that could run in the image. A module that needs a library of the training side
at import is left where it is, with all that only it needs.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from medpipe.errors import MedpipeError
from medpipe.paths import SOURCE

_OURS = ("medpipe", "service")


def modules(roots: list[str], source: Path, forbidden: frozenset[str]) -> dict[str, Path]:
    """Every module of ours that `roots` need, with its file below `source`.

    Parameters
    ----------
    forbidden : top-level packages that will not be there

    Raises
    ------
    MedpipeError : one of `roots` needs one of `forbidden` at import
    """
    found: dict[str, Path] = {}
    for root in roots:
        if blocked := _blocked(root, source, forbidden, set()):
            raise MedpipeError(
                f"{root} cannot be packaged: importing it loads {blocked}; import that inside the "
                "function that needs it"
            )
        _collect(root, source, forbidden, found)
    return found


def loaded(root: str, source: Path) -> dict[str, Path]:
    """Every module of ours that importing `root` loads, with its file below `source`."""
    found: dict[str, Path] = {}
    pending = [root]
    while pending:
        name = pending.pop()
        path = _file(name, source)
        if name.partition(".")[0] not in _OURS or name in found or path is None:
            continue
        found[name] = path
        pending += [*_imports(path, source, at_import_only=True), name.rpartition(".")[0]]
    return found


def distributions(extra: str | None) -> list[str]:
    """Names of the distributions that medpipe requires: its core (None), or an extra's."""
    written = SOURCE / "pyproject.toml"
    if written.is_file():
        # An editable install remembers the requirements of the day it was made.
        project = tomllib.loads(written.read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        return [_name(each) for each in (extras[extra] if extra else project["dependencies"])]
    marker = None if extra is None else f"extra == '{extra}'"
    names = []
    for requirement in metadata.requires("medpipe") or []:
        wanted, _, condition = requirement.replace('"', "'").partition(";")
        if condition.strip() == (marker or ""):
            names.append(_name(wanted))
    return names


def packages(of: list[str]) -> frozenset[str]:
    """Top-level packages that the distributions `of` bring."""
    wanted = set(of)
    return frozenset(
        package
        for package, owners in metadata.packages_distributions().items()
        if wanted & {owner.lower().replace("_", "-") for owner in owners}
    )


def _name(requirement: str) -> str:
    for index, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            requirement = requirement[:index]
            break
    return requirement.strip().lower().replace("_", "-")


def _collect(name: str, source: Path, forbidden: frozenset[str], found: dict[str, Path]) -> None:
    path = _file(name, source)
    if name in found or path is None or _blocked(name, source, forbidden, set()):
        return
    found[name] = path
    if "." in name:
        _collect(name.rpartition(".")[0], source, forbidden, found)
    for imported in _imports(path, source, at_import_only=False):
        if imported.partition(".")[0] in _OURS:
            _collect(imported, source, forbidden, found)


def _blocked(name: str, source: Path, forbidden: frozenset[str], seen: set[str]) -> str | None:
    """The forbidden package that importing `name` would load; None where it loads none."""
    top = name.partition(".")[0]
    if top in forbidden:
        return top
    path = _file(name, source)
    if top not in _OURS or path is None or name in seen:
        return None
    seen.add(name)
    needed = [*_imports(path, source, at_import_only=True)]
    if "." in name:
        needed.append(name.rpartition(".")[0])
    return next(
        (found for each in needed if (found := _blocked(each, source, forbidden, seen))), None
    )


def _imports(path: Path, source: Path, *, at_import_only: bool) -> Iterator[str]:
    """Names that `path` imports; not those for type checkers only."""
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in names if _file(name, source))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
        elif not (at_import_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending.extend(ast.iter_child_nodes(node))


def _file(name: str, source: Path) -> Path | None:
    stem = source.joinpath(*name.split("."))
    choices = (stem.with_suffix(".py"), stem / "__init__.py")
    return next((path for path in choices if path.is_file()), None)
