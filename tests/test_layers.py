"""Oracle: DESIGN's one picture. Data goes one way, so imports do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Which of the suite's own packages each may import, beside itself.
GROUND = {"version", "errors", "files", "process"}
ALLOWED: dict[str, set[str]] = {
    "version": set(),
    "errors": set(),
    "files": {"errors"},
    "process": set(),
    "specs": GROUND,
    "networks": GROUND | {"specs"},
    "credit": GROUND | {"networks", "specs"},
    "registry": GROUND | {"credit", "specs"},
    "data": GROUND | {"specs", "registry"},
    "diagnostics": GROUND | {"networks", "credit", "registry"},
    # Of networks only their shapes on paper: a record's sizes are worked out again.
    "records": GROUND | {"specs", "registry", "networks"},
    "results": GROUND | {"specs", "records"},
    "papers": GROUND | {"specs", "records", "results"},
    "training": GROUND | {"specs", "networks", "credit", "registry", "data", "records"},
    "execution": GROUND | {"specs", "networks", "credit", "registry", "data", "records", "training"},
    "tuning": GROUND | {"specs", "registry", "data", "records", "training", "execution"},
    "studies": GROUND | {"specs", "networks", "credit", "registry", "records", "results"} | {"training", "execution"},
    "conformance": GROUND | {"specs", "networks", "credit", "registry", "diagnostics", "records", "training"},
    "testing": GROUND | {"conformance"},
    # The self-test looks at all that a run does, and at every rule by the conformance kit's networks.
    "acceptance": GROUND
    | {"specs", "networks", "credit", "registry", "data", "records", "results"}
    | {"training", "execution", "conformance"},
    "plugin": GROUND
    | {"specs", "networks", "credit", "registry", "data", "diagnostics", "records"}
    | {"results", "studies"},
    "api": GROUND
    | {"specs", "registry", "data", "records", "results", "papers", "training", "execution", "studies", "conformance"}
    | {"tuning", "acceptance", "benchsuite_leaderboard"},
    "__init__": GROUND | {"api"},
    "cli": GROUND | {"api"},
    "__main__": {"cli"},
    "benchsuite_rules": {"plugin"},
    "benchsuite_leaderboard": GROUND | {"specs", "records", "results", "papers"},
}
ROOTS = {
    "benchsuite": REPOSITORY / "benchsuite",
    "benchsuite_rules": REPOSITORY / "plugins" / "benchsuite_rules",
    "benchsuite_leaderboard": REPOSITORY / "leaderboard" / "benchsuite_leaderboard",
}
SUITE = set(ROOTS)


def modules() -> list[tuple[str, Path]]:
    """Return (part of the suite, file) of every module."""
    found = []
    for root, folder in ROOTS.items():
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            part = root if root != "benchsuite" else (inside.parts[0] if len(inside.parts) > 1 else inside.stem)
            found.append((part, path))
    return found


def imported_parts(path: Path) -> set[str]:
    """Return the suite's parts that a module imports, at any depth of its code, type checking apart."""
    parts = set()
    for node in run_time_imports(path):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif node.module:
            names = [node.module] if node.module != "benchsuite" else [f"benchsuite.{a.name}" for a in node.names]
        for name in names:
            root, _, rest = name.partition(".")
            if root in SUITE:
                parts.add(rest.split(".")[0] if root == "benchsuite" else root)
    return parts


def test_no_module_imports_against_the_flow() -> None:
    """Catches a harness that knows a rule, a rule that knows an optimizer, a leaderboard that runs something."""
    assert {part for part, _ in modules()} - set(ALLOWED) == set(), "say in this test what these parts may import"
    against = {}
    for part, path in modules():
        if wrong := imported_parts(path) - ALLOWED[part] - {part}:
            against[path.relative_to(REPOSITORY).as_posix()] = sorted(wrong)
    assert against == {}


@pytest.mark.parametrize("part", ["specs", "records", "results", "papers"])
def test_specs_and_records_know_nothing_of_torch(part: str) -> None:
    for path in (REPOSITORY / "benchsuite" / part).rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "import torch" not in source, path
        assert "from torch" not in source, path


def test_the_core_names_no_rule_and_no_kind_of_study() -> None:
    """A special case for one of them would make the comparison unfair without a trace.

    Backprop is the baseline, the readout alone the floor of planned comparisons. How rules look in charts is a table of
    names, on which no number depends.
    """
    rules = {path.stem for path in ROOTS["benchsuite_rules"].glob("*.py") if path.stem != "__init__"}
    studies = {path.name for path in (ROOTS["benchsuite"] / "studies").iterdir() if path.is_dir()} - {"__pycache__"}
    assert studies
    results = ROOTS["benchsuite"] / "results"
    allowed = {results / "model.py": {"backprop", "readout_only"}, results / "rule_style.py": rules}
    for root in (ROOTS["benchsuite"], ROOTS["benchsuite_leaderboard"]):
        for path in root.rglob("*.py"):
            if any((ROOTS["benchsuite"] / "studies" / study) in path.parents for study in studies):
                continue
            source = path.read_text(encoding="utf-8")
            texts = {
                n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            }
            assert not (texts & rules) - allowed.get(path, set()), path
            assert not [study for study in studies if study in source], path


def test_no_rule_mentions_a_kind_of_map() -> None:
    """All that a rule needs of a map is in the map's contract."""
    for path in ROOTS["benchsuite_rules"].glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert not names & {"Dense", "Conv2d", "conv2d", "linear"}, path


@pytest.mark.parametrize(("rule", "lines"), [("feedback_alignment", 50), ("direct_feedback_alignment", 88)])
def test_a_rule_is_one_short_file(rule: str, lines: int) -> None:
    """Catches a contract that asks more and more of a rule; imports stand one per line and do not count."""
    text = (ROOTS["benchsuite_rules"] / f"{rule}.py").read_text(encoding="utf-8")
    imports = (node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom))
    imported = sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in imports)
    assert len(text.splitlines()) - imported <= lines


MOST_IMPORTS = 12
FACADES = {
    "benchsuite/__init__.py": "the library's public names",
    "benchsuite/plugin.py": "the one import of an author",
}


def test_no_module_but_the_two_facades_imports_more_than_twelve_of_ours() -> None:
    """Catches a module that grows into a place where everything meets; what only type checkers read does not count."""
    too_many = {}
    for _, path in modules():
        name = path.relative_to(REPOSITORY).as_posix()
        own = {
            node.module
            for node in run_time_imports(path)
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in SUITE
        }
        if len(own) > MOST_IMPORTS and name not in FACADES:
            too_many[name] = len(own)
    assert too_many == {}


@cache
def run_time_imports(path: Path) -> tuple[ast.Import | ast.ImportFrom, ...]:
    """Return the imports of a module outside of ``if TYPE_CHECKING:``, at any depth of its code."""
    return tuple(_imports_below(ast.parse(path.read_text(encoding="utf-8"))))


def _imports_below(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.stmt | ast.excepthandler | ast.match_case) and not (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        ):
            yield from _imports_below(node)
