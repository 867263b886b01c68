"""Changes of params.yaml as text, so that every other character stays as a person wrote it.

A library that reads and writes the whole file moves comments between the sections that they stand
between. Here the parsed tree only says where in the text something stands; `medpipe.config` reads
the tree, and checks that the new text says what it should.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import Node


def with_value(text: str, tree: Node, steps: Sequence[str], value: str) -> str:
    """`text` with `value`, written in one line, where `steps` (names of mappings) lead."""
    node: Any = tree
    for depth, step in enumerate(steps, start=1):
        found = {key.value: inner for key, inner in node.value}
        rest = _nested(steps[depth:], value)
        if step not in found:
            return _inserted(text, node, f"{step}: {rest}")
        node = found[step]
        if node.id != "mapping":
            start, end = node.start_mark.index, node.end_mark.index
            space = "" if start < end else " "  # nothing at all stands behind the colon
            return text[:start] + space + rest + text[end:]
    raise ValueError(f"{'.'.join(steps)} is a section, not a value")


def with_copy(text: str, tree: Node, name: str, like: str) -> str:
    """`text` with a copy of ``workloads.<like>``, comments included, as the last workload."""
    workloads = next(inner for key, inner in tree.value if key.value == "workloads")
    keys = [key for key, _ in workloads.value]
    position = [key.value for key in keys].index(like)
    lines, first = text.splitlines(keepends=True), keys[position].start_mark
    after = keys[position + 1].start_mark.line if position + 1 < len(keys) else len(lines)
    copied = lines[first.line : after]
    while copied[1:] and _belongs_outside(copied[-1], first.column):
        copied.pop()
    copied[0] = copied[0].replace(like, name, 1)
    return _with_line(text, workloads, "".join(copied).rstrip("\n"))


def _nested(steps: Sequence[str], value: str) -> str:
    for step in reversed(steps):
        value = f"{{{step}: {value}}}"
    return value


def _inserted(text: str, mapping: Any, entry: str) -> str:
    """`text` with `entry` as the last of `mapping`."""
    if mapping.flow_style:
        at = mapping.end_mark.index - 1
        return text[:at] + (", " if mapping.value else "") + entry + text[at:]
    column = mapping.value[0][0].start_mark.column
    return _with_line(text, mapping, " " * column + entry)


def _with_line(text: str, mapping: Any, line: str) -> str:
    """`text` with `line` behind the last value of `mapping`, and before what is said of the next.

    A block's own end lies behind the comments that follow it; that of its last value does not.
    """
    last = mapping
    while last.id != "scalar" and not last.flow_style:
        last = last.value[-1][1] if last.id == "mapping" else last.value[-1]
    at = text.find("\n", last.end_mark.index)
    if at < 0:
        return f"{text}\n{line}\n"
    return f"{text[: at + 1]}{line}\n{text[at + 1 :]}"


def _belongs_outside(line: str, column: int) -> bool:
    """Whether `line`, at the end of a section whose name stands at `column`, is of what follows."""
    content = line.lstrip()
    return not content.strip() or (content[0] == "#" and len(line) - len(content) <= column)
