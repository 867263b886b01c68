"""A new workload, begun as a copy of one that works: it runs at once, and is then made one's own.

The copy keeps the code. What it says of itself (title, intended use, module docstring) is of
another question, so each such fact is marked `MARK` until somebody has written it; `unfilled` lists
them.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import sys
import textwrap
import tokenize
from pathlib import Path

from medpipe import config, files, workloads
from medpipe.errors import ParamsError
from medpipe.workload import Workload

MARK = "FILL IN"
_ASKED = {
    "title": "the question in a few words",
    "intended_use": "who may use the answers, for whom and for what",
    "not_for": "what the answers must not be used for",
    "looked_for": "what is looked for, as a noun: death in hospital",
}
"""Attributes of the class that are facts, and what each should say."""
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ENTRY = re.compile(r"^([A-Z][a-z ]*) : ", re.MULTILINE)
"""A fact of the module docstring begins a line with its name."""


def draft(name: str, like: str, root: Path) -> Path:
    """Write ``medpipe/workloads/<name>.py`` and a section of params.yaml, copies of `like`'s.

    Raises
    ------
    ParamsError : a name that cannot be one or is taken, no workload `like`, no section of it, or a
        project that is not the one medpipe is installed from; nothing was changed
    """
    workload = workloads.get(like)
    folder = _folder(root)
    path = folder / f"{name}.py"
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ParamsError(f"{name!r} cannot be a name; write it as in stroke_after_surgery")
    if name in workloads.names() or path.exists():
        raise ParamsError(f"{path} is there already; choose another name, or delete it first")
    if like not in config.workload_names(root):
        raise ParamsError(f"params.yaml has no section workloads.{like} that could be copied")
    if name in config.workload_names(root):
        raise ParamsError(
            f"params.yaml has a section workloads.{name} already; choose another name"
        )
    source = (folder / f"{like}.py").read_text(encoding="utf-8")
    with files.new_file(path) as partial:
        partial.write_text(rewritten(source, workload, name), encoding="utf-8")
    config.add_workload(root, name, like=like)
    return path


def rewritten(source: str, workload: Workload, name: str) -> str:
    """`source`, the file of `workload`, as that of a workload `name` with its facts to fill in."""
    class_name = type(workload).__name__
    text = _renamed(source, {workload.name: name}, {class_name: _class_name(name)})
    lines = text.splitlines(keepends=True)
    tree = ast.parse(text)
    for fact, node in reversed(_facts(tree, _class_name(name))):
        told = f'    {fact} = "{MARK}: {_ASKED[fact]}"\n'
        lines[node.lineno - 1 : node.end_lineno] = [told]
    docstring = tree.body[0]
    lines[: docstring.end_lineno] = [_marked(ast.get_docstring(tree) or "", workload.name)]
    return "".join(lines)


def unfilled(workload: Workload) -> list[str]:
    """Names of the facts of `workload` that are still to be written."""
    facts = [name for name in _ASKED if MARK in getattr(workload, name)]
    docstring = sys.modules[type(workload).__module__].__doc__ or ""
    marked = [line for line in docstring.splitlines() if MARK in line]
    return facts + [line.partition(" : ")[0] if " : " in line else "question" for line in marked]


def _folder(root: Path) -> Path:
    """The folder of workloads, if it belongs to the project at `root`."""
    folder = Path(workloads.__path__[0]).resolve()
    if not folder.is_relative_to(root.resolve()):
        raise ParamsError(
            f"this medpipe keeps its workloads in {folder}, outside the project {root.resolve()}; "
            "clone medpipe, install it there with `pip install -e .`, and run this in the clone"
        )
    return folder


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _renamed(source: str, words: dict[str, str], classes: dict[str, str]) -> str:
    """`source` with `words` replaced in texts and comments, and `classes` where they are names.

    Modules that are imported keep their names, even that of the workload.
    """
    lines = source.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        kinds = (tokenize.STRING, tokenize.COMMENT)
        table = words if token.type in kinds else classes if token.type == tokenize.NAME else {}
        changed = token.string
        for old, new in table.items():
            changed = re.sub(rf"\b{re.escape(old)}\b", new, changed)
        if changed != token.string:
            (top, left), (bottom, right) = token.start, token.end
            head, tail = lines[top - 1][:left], lines[bottom - 1][right:]
            lines[top - 1 : bottom] = [head + changed + tail]
    return "".join(lines)


def _facts(tree: ast.Module, class_name: str) -> list[tuple[str, ast.Assign]]:
    """The facts that the class states, with the statements that do, in the order of the file."""
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name).body
    assigned = [(node.targets[0], node) for node in body if isinstance(node, ast.Assign)]
    return [(t.id, node) for t, node in assigned if isinstance(t, ast.Name) and t.id in _ASKED]


def _marked(docstring: str, like: str) -> str:
    """The docstring of a module with its facts to be filled in, beside what `like` says."""
    first, _, rest = docstring.partition("\n")
    said = textwrap.fill(f"In {like}: {first}", 96)
    facts = _ENTRY.sub(rf"\1 : {MARK}. In {like}:\n    ", rest.strip("\n"))
    return f'"""{MARK}: the question in one sentence.\n\n{said}\n\n{facts}\n"""\n'
