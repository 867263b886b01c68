"""House rules that no linter knows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path for folder in ("medpipe", "flows", "service") for path in (ROOT / folder).rglob("*.py")
)
MAY_READ_THE_ENVIRONMENT = {"medpipe/config.py", "medpipe/telemetry.py"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_environment_is_read_at_the_edge_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reads = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert name(path) in MAY_READ_THE_ENVIRONMENT or not reads


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_file_holds_two_ideas(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_function_is_longer_than_fifty_lines(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    assert [f.name for f in functions if lines_of_code(f) > 50] == []


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of `function` without its docstring, which may be as long as it needs to be."""
    first = function.body[1] if ast.get_docstring(function) and function.body[1:] else function
    return (function.end_lineno or 0) - first.lineno + 1


def test_no_two_test_files_have_one_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted({*names})  # pytest imports them by name alone
