"""Oracle: the built-in rules, the example and the template: what they import, an author needs."""

from __future__ import annotations

import ast
import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import benchsuite as bs
import benchsuite.plugin
from benchsuite.registry.manager import build_registry

REPOSITORY = Path(__file__).resolve().parents[2]
WRITTEN_BY_AUTHORS = [
    *sorted((REPOSITORY / "plugins" / "benchsuite_rules").glob("*.py")),
    *sorted((REPOSITORY / "examples").rglob("src/**/*.py")),
    *sorted((REPOSITORY / "benchsuite" / "registry" / "scaffold" / "templates").glob("rule_*.py.template")),
]

PLUGIN = """
import torch
from benchsuite.plugin import (
    ChainArchitecture, DecodedDataset, DenseLayer, Diagnostic, ReplacedFeedbackRule, RuleTraits, hookimpl,
)

BENCHSUITE_CONTRACT = 1

class Mine(ReplacedFeedbackRule):
    name = "mine"
    traits = RuleTraits(mechanism="replaced_feedback", source="a test")
    def draw_feedback(self, linear_map, generator):
        return torch.empty_like(linear_map.weight, requires_grad=False).normal_(0.0, 0.1, generator=generator)

class Count(Diagnostic):
    name = "count"
    summary = "How many examples there are."
    def measure(self, rule, batch):
        return {None: float(len(batch.targets))}

def read(options, root):
    inputs, targets = torch.rand(64, 6), torch.arange(64) % 3
    return DecodedDataset(inputs, targets, inputs[:30], targets[:30], classes=3)

def build(options, input_shape, classes):
    return ChainArchitecture(kind="chain", name="own", layers=(DenseLayer(kind="dense", units=options["units"]),))

@hookimpl
def benchsuite_rules():
    return [Mine]

@hookimpl
def benchsuite_diagnostics():
    return [Count]

@hookimpl
def benchsuite_datasets():
    return {"own": read}

@hookimpl
def benchsuite_architectures():
    return {"own": build}
"""

TRACK = """
dataset: {kind: plugin, name: own, reader: own, normalization: {mean: [0.5], std: [0.5]}}
architecture: {kind: plugin, name: own, builder: own, options: {units: 5}}
protocol: {epochs: 1, batch_size: 16, optimizer: {kind: sgd, learning_rate: 0.1}}
diagnostics: {names: [count]}
"""


@pytest.mark.parametrize("path", WRITTEN_BY_AUTHORS, ids=lambda path: path.stem)
def test_everything_that_a_rule_imports_is_in_the_one_module(path: Path) -> None:
    """Catches an author who has to look for a name in the suite's own rooms."""
    tree = ast.parse(re.sub(r"\$\{\w+\}", "x", path.read_text(encoding="utf-8")))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "benchsuite"
        for alias in node.names
    }
    assert imported <= set(benchsuite.plugin.__all__)


def test_its_public_names_are_there() -> None:
    """Catches a name in ``__all__`` that ``import *`` stumbles over."""
    assert all(hasattr(benchsuite.plugin, name) for name in benchsuite.plugin.__all__)


def test_a_rule_a_data_set_an_architecture_and_a_diagnostic_need_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a contribution that cannot be written, or not run, with this one import."""
    (tmp_path / "one_import.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    points = [*entry_points(group="benchsuite"), EntryPoint("one_import", "one_import", "benchsuite")]
    registry = build_registry(points)
    assert registry.failures == []
    monkeypatch.setattr("benchsuite.registry.manager.installed_registry", lambda: registry)
    track = tmp_path / "own" / "tracks" / "mine.yaml"
    track.parent.mkdir(parents=True)
    track.write_text(TRACK)
    assert bs.validate(track) == {str(track): []}
    (record,) = bs.run(track, rules="mine", seeds=1, tier="paper").records
    assert record.status == "completed", record.reason
    assert {value.diagnostic for value in record.diagnostics} == {"count"}
    assert record.network is not None
    assert record.network.parameters == 6 * 5 + 5 + 5 * 3 + 3
