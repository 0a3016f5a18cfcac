"""Oracle: decision 29: which files and versions a contribution's hash covers, and which it does not."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from benchsuite.execution.environment import environment_of
from benchsuite.records.keys import run_result_key
from benchsuite.registry import imports, sources
from benchsuite.registry.manager import Registry, build_registry
from benchsuite.registry.sources import source_hash
from benchsuite.specs.models.track import RunSpec

RULE = """
from benchsuite.plugin import ReplacedFeedbackRule, RuleTraits, hookimpl
{imports}

BENCHSUITE_CONTRACT = 1

class Mine(ReplacedFeedbackRule):
    name = "mine"
    traits = RuleTraits(mechanism="replaced_feedback", source="a test")

@hookimpl
def benchsuite_rules():
    return [Mine]
"""


class Code:
    """Files on the import path, as a person edits them between two processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        importlib.invalidate_caches()

    def install(self, name: str, version: str, *files: str, local: bool = False) -> None:
        """Write what an installer writes of a distribution of these files."""
        folder = f"{name}-{version}.dist-info"
        for old in self.root.glob(f"{name}-*.dist-info"):
            for file in old.iterdir():
                file.unlink()
            old.rmdir()
        self.write(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        self.write(f"{folder}/RECORD", "".join(f"{f},,\n" for f in (*files, "../../bin/tool", f"{folder}/RECORD")))
        if local:
            self.write(f"{folder}/direct_url.json", '{"url": "file:///somewhere", "dir_info": {}}')

    def hash(self, module: str) -> str:
        """Return the hash of the module's rule as another process would find it."""
        for cached in (sources._hash_of, imports.owner_of, imports._distributions_in):
            cached.cache_clear()
        return source_hash(importlib.import_module(module).Mine)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Code]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield Code(tmp_path)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def changes(code: Code, module: str, path: str, text: str = "SIGN = -1\n") -> bool:
    """Return True if writing a file changes the hash."""
    before = code.hash(module)
    code.write(path, text)
    return code.hash(module) != before


def test_a_module_beside_the_rule_counts(code: Code) -> None:
    """Catches the credit's sign flipped in ``helper.py`` while the old result is said to be found."""
    code.write("near/__init__.py", "")
    code.write("near/rule.py", RULE.format(imports="from near.helper import SIGN"))
    code.write("near/helper.py", "SIGN = 1\n")
    assert changes(code, "near.rule", "near/helper.py")
    assert changes(code, "near.rule", "near/table.json", "[1]")
    assert changes(code, "near.rule", "near/imported_by_name.py")
    assert not changes(code, "near.rule", "near/__pycache__/helper.pyc")
    assert not changes(code, "near.rule", "near/.cache/numbers.json")
    assert not changes(code, "near.rule", "elsewhere.py")


@pytest.mark.parametrize(
    "line",
    [
        "import far_helper",
        "import far_helper.deep as deep",
        "from far_helper import deep",
        "def late():\n    import far_helper.deep",
        "import middle",
    ],
)
def test_local_modules_that_it_imports_count(code: Code, line: str) -> None:
    """Catches a helper in a module or package of its own: it has no version, so its files must count."""
    code.write("flat_rule.py", RULE.format(imports=line))
    code.write("far_helper/__init__.py", "")
    code.write("far_helper/deep.py", "SIGN = 1\n")
    code.write("middle.py", "from far_helper.deep import SIGN\n")
    assert changes(code, "flat_rule", "far_helper/deep.py")


def test_of_a_folder_that_distributions_share_only_what_is_imported_counts(code: Code) -> None:
    """Catches another distribution's module in the same namespace that makes all results stale."""
    code.write("shared_space/rule.py", RULE.format(imports="from . import helper"))
    code.write("shared_space/helper.py", "SIGN = 1\n")
    code.write("shared_space/other.py", "SIGN = 1\n")
    assert changes(code, "shared_space.rule", "shared_space/helper.py")
    assert not changes(code, "shared_space.rule", "shared_space/other.py")


def test_of_its_own_distribution_every_file_counts(code: Code) -> None:
    """Catches a second package of the same wheel that the rule finds by name."""
    code.write("wheel_rule/__init__.py", RULE.format(imports=""))
    code.write("wheel_more/__init__.py", "SIGN = 1\n")
    code.install("wheel_rule", "1.0", "wheel_rule/__init__.py", "wheel_more/__init__.py")
    assert changes(code, "wheel_rule", "wheel_more/__init__.py")
    before = code.hash("wheel_rule")
    code.install("wheel_rule", "1.1", "wheel_rule/__init__.py", "wheel_more/__init__.py")
    assert code.hash("wheel_rule") == before, "the same code under another version"


def test_of_other_distributions_the_version_counts_unless_they_are_local(code: Code) -> None:
    """Catches an upgraded library that changes numbers, and one that is installed from a folder again and again."""
    code.write("user.py", RULE.format(imports="import library"))
    code.write("library/__init__.py", "SIGN = 1\n")
    code.install("library", "1.0", "library/__init__.py")
    assert not changes(code, "user", "library/__init__.py")
    before = code.hash("user")
    code.install("library", "2.0", "library/__init__.py")
    assert code.hash("user") != before
    code.install("library", "2.0", "library/__init__.py", local=True)
    assert changes(code, "user", "library/__init__.py", "SIGN = 1\n")


def test_the_suites_own_requirements_do_not_count(code: Code) -> None:
    """Catches results that an update of pydantic makes stale; records state such versions."""
    code.write("plain.py", RULE.format(imports=""))
    before = code.hash("plain")
    code.write("plain.py", RULE.format(imports="import numpy, pydantic, scipy.linalg, torch.nn, json, benchsuite"))
    lines = set(sources._Code(["plain"]).versions)
    assert code.hash("plain") != before
    assert lines == set()


def test_a_built_in_rule_depends_on_its_own_module_and_on_the_built_in_rules_that_it_imports(
    registry: Registry,
) -> None:
    """Catches one changed rule that makes every other rule's records stale, and keys that no stored record has."""
    names = {name: set(sources._Code([rule.__module__]).files) for name, rule in registry.rules.items()}
    assert names["gevb"] == {"benchsuite_rules.gevb"}
    leaky = {"leaky_direct_feedback_alignment", "direct_feedback_alignment"}
    assert names["leaky_direct_feedback_alignment"] == {f"benchsuite_rules.{name}" for name in leaky}
    rule = registry.rule("gevb")
    text = Path(sys.modules[rule.__module__].__file__ or "").read_bytes()
    assert source_hash(rule) == hashlib.sha256(b"benchsuite_rules.gevb\0" + text + b"\0").hexdigest()


def test_a_file_edited_in_the_course_of_a_session_changes_no_key(code: Code) -> None:
    """Catches a key of code that this process never loaded."""
    code.write("steady.py", RULE.format(imports=""))
    before = code.hash("steady")
    code.write("steady.py", RULE.format(imports="import math"))
    assert source_hash(importlib.import_module("steady").Mine) == before
    assert code.hash("steady") != before


def test_a_builder_counts_as_the_function_that_it_wraps(code: Code) -> None:
    code.write("made.py", "def build(size, options): ...\nclass Reader:\n    def __call__(self): ...\n")
    module = importlib.import_module("made")
    found = {source_hash(each) for each in (module.build, partial(partial(module.build, 1), 2), module.Reader())}
    assert len(found) == 1


OTHERS = """
from benchsuite.plugin import Diagnostic, hookimpl
import others_helper

BENCHSUITE_CONTRACT = 1

class Count(Diagnostic):
    name = "count"
    summary = "How many."
    def measure(self, rule, batch):
        return {None: 1.0}

@hookimpl
def benchsuite_diagnostics():
    return [Count]

@hookimpl
def benchsuite_architectures():
    return {"small": lambda options, shape, classes: None}

@hookimpl
def benchsuite_datasets():
    return {"own": lambda options, root: None}
"""
DATASET = {"name": "own", "kind": "plugin", "reader": "own", "normalization": {"mean": [0.0], "std": [1.0]}}


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"diagnostics": {"names": ["credit_angle_deg", "count"]}}, "diagnostic count"),
        ({"architecture": {"name": "small", "kind": "plugin", "builder": "small"}}, "architecture small"),
        ({"dataset": DATASET}, "dataset own"),
    ],
)
def test_other_plugins_of_a_run_enter_its_key(
    code: Code, make_spec: Callable[..., RunSpec], part: dict[str, object], name: str
) -> None:
    """Catches a network, data set or diagnostic that was changed while the old result is said to be found."""
    code.write("others.py", OTHERS)
    code.write("others_helper.py", "SIZE = 1\n")
    registry = build_registry([*entry_points(group="benchsuite"), EntryPoint("others", "others", "benchsuite")])
    assert registry.failures == []

    def key(spec: RunSpec) -> str:
        sources._hash_of.cache_clear()
        environment = environment_of(registry, spec.rule.name, spec)
        assert set(environment.plugin_source_hashes) == ({name} if spec is own else set())
        return run_result_key("00", environment, "11")

    own, plain = make_spec(**part), make_spec()
    keys = key(own), key(plain)
    code.write("others_helper.py", "SIZE = 2\n")
    assert key(own) != keys[0]
    assert key(plain) == keys[1]
