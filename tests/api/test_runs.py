"""Oracle: the command, whose own path ``run`` is, and the records that it leaves on disk."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.registry import hookimpl
from benchsuite.studies.linear_dynamics import simulate as module
from benchsuite.training.trainer import Trainer

STUDY = "urfb-linear-dynamics"
BRIEFLY = {"study.dimensions": [4, 6, 5, 3], "study.iterations": 5}


def smoke(rules: Any = "backprop", seeds: Any = 1, **options: Any) -> bs.Results:
    return bs.run("digits-fc", rules=rules, seeds=seeds, tier="smoke", **options)


def test_results_are_the_records_on_disk_and_are_found_again(capfd: pytest.CaptureFixture[str]) -> None:
    """Catches results that differ from what the store keeps, progress that nobody asked for, and runs made twice."""
    first = smoke(["backprop", "feedback_alignment"], seeds=2)
    assert capfd.readouterr() == ("", "")
    assert sorted(r.run_id for r in bs.load_records()) == sorted(r.run_id for r in first.records)
    assert (len(first.records), first.reused, len(first.failed), first.interrupted) == (4, frozenset(), 0, False)
    again = smoke(["backprop", "feedback_alignment"], seeds=2)
    assert again.reused == {record.run_id for record in first.records}
    assert list(again.records) == list(first.records)
    assert "backprop" in first.table()
    assert repr(again) == "<Results: 4 runs, 4 found from earlier>"


def test_the_store_is_the_argument_else_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a default that ignores what the command would take from the environment."""
    monkeypatch.setenv("BENCHSUITE_STORE", "theirs")
    assert smoke().store.root == tmp_path / "theirs"
    assert smoke(store="ours").store.root == tmp_path / "ours"


def test_progress_is_told_as_runs_are_made() -> None:
    """Catches a progress object that is registered and never taken away, or never told of runs that were found."""
    told: list[str] = []

    class Told(bs.Progress):
        def start(self, total: int) -> None:
            told.append(f"start {total}")

        def found(self, record: Any) -> None:
            told.append("found")

        @hookimpl
        def benchsuite_run_finished(self, record: Any) -> None:
            told.append(record.status)

    smoke(progress=Told())
    smoke(seeds=2, progress=Told())
    assert told == ["start 1", "completed", "start 2", "found", "completed"]
    smoke(fresh=True)
    assert len(told) == 5


def test_progress_true_prints_one_line_per_run_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Catches bars in a file, and progress on stdout among data."""
    smoke(progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "1/1" in err
    assert "completed" in err


def test_a_crash_is_a_result_and_an_interruption_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a notebook that stops at the first run that fails, and Ctrl-C that loses what was made before."""
    train_epoch = Trainer.train_epoch

    def broken(self: Trainer, deadline: float | None = None) -> object:
        if self.rule.name == "backprop":
            raise RuntimeError("a rule's own fault")
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_epoch", broken)
    results = smoke(["backprop", "feedback_alignment"])
    assert [record.status for record in results.failed] == ["crashed"]
    assert [record.status for record in results.records] == ["crashed", "interrupted"]
    assert results.interrupted
    assert "interrupted" in repr(results)
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    assert not smoke("feedback_alignment").interrupted


def test_a_refused_pair_is_told_before_anything_starts() -> None:
    """Catches a refusal that only the command tells, and a record of what was never possible."""
    told: list[str] = []

    class Told(bs.Progress):
        def refused(self, pair: bs.RefusedPair) -> None:
            told.append(f"{pair.rule} on {pair.track}")

        def start(self, total: int) -> None:
            told.append(f"start {total}")

    results = smoke(["gevb", "backprop"], seeds=2, progress=Told())
    assert told == ["gevb on digits-fc", "start 2"]
    assert {record.spec.rule.name for record in results.records} == {"backprop"}
    assert [(pair.track, pair.rule) for pair in results.refused] == [("digits-fc", "gevb")]
    assert "refused: gevb on digits-fc: needs a network of form vectorized" in results.table()
    nothing = smoke("gevb", progress=Told())
    assert (len(nothing.records), len(nothing.refused), told[2:]) == (0, 1, ["gevb on digits-fc"])


def test_wrong_requests_are_the_suites_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a KeyError where a message was due."""
    for error, act in (
        (bs.SpecError, lambda: bs.run("nothing")),
        (bs.SpecError, lambda: smoke("fedback_alignment")),
        (bs.EmptySelectionError, lambda: smoke("nothing*")),
        (bs.SpecError, lambda: smoke(set={"protocol.epoch": 3})),
        (bs.SpecError, lambda: smoke(specs="no/such/folder")),
        (bs.StoreError, lambda: smoke(store="/proc/nothing")),
    ):
        with pytest.raises(error):
            act()


def test_a_study_runs_whole_and_is_found_again() -> None:
    """Catches a study that only the command can run."""
    results = bs.run(STUDY, seeds=1, set=BRIEFLY)
    assert results.study is not None
    assert results.study.spec.model_dump()["iterations"] == 5
    assert "log₁₀ ‖E‖²" in results.table()
    again = bs.run(STUDY, seeds=1, set=BRIEFLY)
    assert (again.study, again.reused) == (results.study, {results.study.study_id})


def test_an_interrupted_study_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches half a study taken for a whole one."""

    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "simulate", interrupted)
    results = bs.run(STUDY, seeds=1, set=BRIEFLY)
    assert (results.interrupted, results.study, list(Path().rglob("studies/*.json"))) == (True, None, [])


def test_the_site_of_a_store_has_its_runs(recwarn: pytest.WarningsRecorder) -> None:
    """Catches a page built of other records than the store's."""
    results = smoke()
    report = results.build_site()
    assert report.records == 1
    assert "digits-fc" in report.index.read_text(encoding="utf-8")
    assert bs.build_site(out="elsewhere").rebuilt == ("digits-fc",)
    assert not [w for w in recwarn if "left out" in str(w.message)]


def test_a_wrong_reference_costs_its_values_with_a_warning(tmp_path: Path) -> None:
    """Catches a page that a user's own wrong file takes away, and one that loses it without a word."""
    smoke()
    folder = tmp_path / "own" / "reference"
    folder.mkdir(parents=True)
    (folder / "ours.yaml").write_text("source: a thesis\nentries: nonsense\n")
    with pytest.warns(UserWarning, match=r"reference '?ours'? is left out: .*ours.yaml:2"):
        report = bs.build_site(specs=tmp_path / "own")
    assert report.records == 1


def test_specs_are_found_once_per_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a target that is read and laid out a second time, and a library per question."""
    from benchsuite.specs.loading.library import SpecLibrary

    loaded: list[str] = []
    made: list[object] = []
    load, make = SpecLibrary.load, SpecLibrary.__init__

    def counted_load(self: SpecLibrary, kind: Any, name: str, *place: Any) -> Any:
        loaded.append(f"{kind}/{name}")
        return load(self, kind, name, *place)

    def counted_init(self: SpecLibrary, *given: Any) -> None:
        made.append(self)
        make(self, *given)

    monkeypatch.setattr(SpecLibrary, "load", counted_load)
    monkeypatch.setattr(SpecLibrary, "__init__", counted_init)
    results = smoke()
    assert loaded == ["tracks/digits-fc", "hardware/auto"]
    results.build_site()
    assert len(made) == 1


def test_without_pandas_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an ImportError from somewhere inside."""
    real = builtins.__import__

    def without_pandas(name: str, *given: Any, **options: Any) -> Any:
        if name == "pandas":
            raise ImportError("No module named 'pandas'")
        return real(name, *given, **options)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(bs.BenchsuiteError, match="pip install pandas"):
        bs.Records().to_frame()


def test_a_verb_and_the_library_give_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches a table in a notebook that is not the command's."""
    from benchsuite.cli.main import run_command

    results = smoke(["backprop", "feedback_alignment"], seeds=2)
    capfd.readouterr()
    names = ["--rules", "backprop,feedback_alignment", "--seeds", "2", "--tier", "smoke"]
    assert run_command(["run", "digits-fc", *names]) == 0
    printed = [line.rstrip() for line in capfd.readouterr().out.splitlines()]
    assert printed[: len(results.table().splitlines())] == results.table().splitlines()
