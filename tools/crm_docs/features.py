"""The table of tests in docs/features.md: which tests carry the marker of which feature or figure."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache

from crm_docs import ROOT
from crm_docs.contract import table

BEGIN, END = "<!-- tests: made by `make docs` -->", "<!-- end -->"
MARKERS = ("feature", "figure")


@cache
def marked() -> dict[str, set[str]]:
    """Identifier → the test files with tests that carry its marker."""
    found: dict[str, set[str]] = {}
    for name in _test_files():
        for shown in _tests(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            for identifier in shown:
                found.setdefault(identifier, set()).add(name)
    return found


def with_tests(page: str) -> str:
    """The page with its table of tests as the tests are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{_table()}\n{END}{after}"


def named(text: str) -> set[str]:
    """Identifiers of features and figures in a text."""
    return set(re.findall(r"\b(?:[A-Z]{3}-\d\d|[PR]\d\d)\b", text))


def _test_files() -> list[str]:
    """What git knows: a test that is not added yet shows nothing to anybody else."""
    told = subprocess.run(["git", "ls-files", "test_*.py", "*/test_*.py"], cwd=ROOT, capture_output=True, check=True)
    return [name for name in sorted(set(told.stdout.decode().splitlines())) if (ROOT / name).exists()]


def _table() -> str:
    def order(identifier: str) -> tuple[bool, str]:
        return "-" not in identifier, identifier

    rows = [
        (identifier, "<br>".join(f"[{name}](../{name})" for name in sorted(marked()[identifier])))
        for identifier in sorted(marked(), key=order)
    ]
    return "\n".join(table(("identifier", "test files with tests marked with it"), rows))


def _tests(module: ast.Module) -> Iterator[set[str]]:
    """The identifiers of each test function, with those of its class and of the module."""
    of_module: set[str] = set()
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            of_module |= _marks(node.value)
    yield from _functions(module.body, of_module)


def _functions(body: list[ast.stmt], above: set[str]) -> Iterator[set[str]]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own = above.union(*(_marks(decorator) for decorator in node.decorator_list))
            if isinstance(node, ast.ClassDef):
                yield from _functions(node.body, own)
            elif node.name.startswith("test_"):
                yield own


def _marks(node: ast.expr) -> set[str]:
    """Arguments of `pytest.mark.feature("…")` and `pytest.mark.figure("…")` within an expression."""
    return {
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in MARKERS
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
