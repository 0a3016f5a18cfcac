"""Oracle: the hook's manual. A kind of study of another distribution is treated as the suite's own are."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

import benchsuite as bs
from benchsuite.errors import PluginError, SpecError
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry, build_registry
from benchsuite.specs.loading.kinds import guess_kind
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.targets import find_target
from benchsuite.specs.loading.tree import read


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making MLflow's database takes longer than these tests."""
    monkeypatch.setenv("BENCHSUITE_TRACKING_URI", "none")


STUDY = """
from pathlib import Path
from typing import Literal

from benchsuite.plugin import (
    CurvePoint, Study, StudyChart, StudyColumn, StudyFigure, StudyResult, StudyRow, StudySpec, StudyStep,
    StudySummary, estimate, hookimpl,
)

BENCHSUITE_CONTRACT = 1

class Spec(StudySpec):
    kind: Literal["coin"]
    throws: int

class Result(StudyResult):
    heads: dict[int, int]

class Coin(Study[Spec, Result]):
    kind = "coin"
    Spec = Spec
    Result = Result

    def run(self, rules, report):
        heads = {}
        for seed in self.spec.seeds:
            heads[seed] = seed % 2 + self.spec.throws // 2
            report(StudyStep(f"coin seed {seed}", "completed"))
        return Result(heads=heads)

    def summarize(self, result):
        shares = [heads / self.spec.throws for heads in result.heads.values()]
        curve = (CurvePoint(epoch=0, mean=0.0, low=0.0, high=0.0), CurvePoint(epoch=1, mean=0.5, low=0.0, high=1.0))
        return StudySummary(
            conditions=f"{self.spec.throws} throws of one coin.",
            columns=(StudyColumn("share of heads"),),
            rows=(StudyRow("coin", len(shares), len(shares), (estimate(shares),)),),
            figures=(StudyFigure("Heads", "", (StudyChart("Heads", "share", {"coin": curve}, "x"),), "throw", 1),),
        )

@hookimpl
def benchsuite_studies():
    return [Coin]

@hookimpl
def benchsuite_specs():
    return [Path(__file__).parent / "specs"]
"""


def load(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the registry of all installed plugins and of one more, which all of the suite then uses."""
    name = f"coin_of_{folder.name}".replace("-", "_")
    (folder / f"{name}.py").write_text(source)
    (folder / "specs" / "studies").mkdir(parents=True)
    (folder / "specs" / "studies" / "fair-coin.yaml").write_text(
        "title: A fair coin\nkind: coin\nthrows: 10\nseeds: [0, 1]\n"
    )
    monkeypatch.syspath_prepend(folder)
    registry = build_registry([*entry_points(group="benchsuite"), EntryPoint("coin", name, "benchsuite")])
    monkeypatch.setattr("benchsuite.registry.manager.installed_registry", lambda: registry)
    return registry


def test_a_foreign_study_is_listed_checked_run_recorded_found_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a step on the way from a spec to a page that only knows the suite's own study."""
    registry = load(STUDY, tmp_path, monkeypatch)
    assert registry.failures == []
    assert {"fair-coin", "urfb-linear-dynamics"} <= set(bs.list_studies().names)
    assert bs.info("fair-coin")["study"]["throws"] == 10
    mine = tmp_path / "mine.yaml"
    mine.write_text("kind: coin\nthrow: 10\n")
    assert {(p.field, p.line is not None) for p in bs.validate(mine)[str(mine)]} == {("throw", True), ("throws", True)}
    schemas = bs.schemas()
    assert "throws" in str(schemas["study"])
    assert "heads" in str(schemas["study_record"])
    variant = schemas["suite"]["$defs"]["VariantSpec"]["properties"]
    assert variant["as"]["description"].startswith("Name of the row"), "docstrings of fields, those with an alias too"

    results = bs.run("fair-coin", set={"study.throws": 20}, store=tmp_path / "store")
    record = results.study
    assert record is not None
    assert record.result == {"heads": {"0": 10, "1": 11}}
    assert record.code is not None
    assert record.code.distribution == registry.origins["study", "coin"].distribution
    assert "share of heads" in results.table()
    (check,) = bs.verify(results.store.studies_folder)
    assert check.is_right, check.problems
    again = bs.run("fair-coin", set={"study.throws": 20}, store=tmp_path / "store")
    assert again.reused == {record.study_id}

    page = results.build_site().out / "studies" / "fair-coin.html"
    for text in ("A fair coin", "20 throws of one coin.", "share of heads", "0.53 ± 0.04"):
        assert text in page.read_text(encoding="utf-8")


def test_a_study_whose_source_or_version_changed_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a result of an older plugin that is taken for today's."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    load(STUDY, tmp_path / "one", monkeypatch)
    assert not bs.run("fair-coin", store=tmp_path / "store").reused
    load(STUDY.replace("seed % 2", "0"), tmp_path / "two", monkeypatch)
    changed = bs.run("fair-coin", store=tmp_path / "store")
    assert not changed.reused
    assert changed.study is not None
    assert changed.study.result == {"heads": {"0": 5, "1": 5}}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("return [Coin]", "return [Coin(None)]", "not a subclass of benchsuite.plugin.Study"),
        ('    kind = "coin"\n', "", "has no class attribute 'kind'"),
        ('Literal["coin"]', "str", 'Spec must have the field kind: Literal["coin"]'),
        ("    Spec = Spec\n", "    Spec = int\n", "Spec must be a subclass of benchsuite.plugin.StudySpec"),
        ("    Result = Result\n", "    Result = int\n", "Result must be a subclass of benchsuite.plugin.StudyResult"),
        ("def run(", "def walk(", "lacks run"),
        ('"coin"', '"linear_dynamics"', "is benchsuite's own"),
    ],
)
def test_a_broken_kind_of_study_is_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, reason: str
) -> None:
    """Catches a plugin that takes the suite's own study with it, or that is missed without a word."""
    registry = load(STUDY.replace(old, new), tmp_path, monkeypatch)
    assert "coin" not in registry.studies
    assert "backprop" in registry.rules
    (failure,) = registry.failures
    assert reason in failure.reason
    assert "linear_dynamics" in registry.studies
    with pytest.raises(SpecError, match="no kind of study 'coin'") as refused:
        bs.run(tmp_path / "specs" / "studies" / "fair-coin.yaml", store=tmp_path / "store")
    assert "fair-coin.yaml:2:" in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("heads = {}", "heads = 1 / 0", "failed: ZeroDivisionError: division by zero"),
        ("return Result(heads=heads)", "return heads", "run returned dict, expected Result"),
    ],
)
def test_a_study_that_fails_is_the_plugins_failure_and_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, reason: str
) -> None:
    """Catches a traceback that looks like the suite's own bug."""
    load(STUDY.replace(old, new), tmp_path, monkeypatch)
    with pytest.raises(PluginError, match="study 'coin' of coin") as failed:
        bs.run("fair-coin", store=tmp_path / "store")
    assert reason in str(failed.value)
    assert list(RecordStore(tmp_path / "store").read_studies()) == []


def test_a_summary_that_fails_costs_its_own_table_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a page, or a record, that is lost since a plugin cannot draw."""
    load(STUDY.replace("curve = (", "curve = (1 / 0, "), tmp_path, monkeypatch)
    results = bs.run("fair-coin", store=tmp_path / "store")
    assert "failed: ZeroDivisionError" in str(results.tables())
    assert len(list(results.store.read_studies())) == 1
    page = results.build_site().out / "studies" / "fair-coin.html"
    assert "failed: ZeroDivisionError" in page.read_text(encoding="utf-8")


def test_a_file_outside_the_folders_is_known_by_its_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a kind that spec loading knows by name and not from the registry."""
    registry = load(STUDY, tmp_path, monkeypatch)
    path = tmp_path / "mine.yaml"
    path.write_text("kind: coin\nthrows: 10\n")
    assert find_target(str(path), SpecLibrary([], registry.study_specs)).kind == "studies"
    with pytest.raises(SpecError, match="a run needs a suite, a track or a study"):
        find_target(str(path), SpecLibrary([]))
    path.write_text("kind: coin\nextends: fair-coin\n")
    assert guess_kind(path, read(path), registry.study_specs) == "studies", "its kind alone says so"
    assert guess_kind(path, read(path)) is None
