"""Oracle: the exit codes in `benchsuite --help`, and what the guide says of studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.studies.linear_dynamics import simulate as module

Command = Callable[..., Any]
NAME = "urfb-linear-dynamics"
SMALL = (NAME, "--seeds", "2", "--set", "study.dimensions=[4, 6, 5, 3]", "--set", "study.iterations=5")


def test_a_study_prints_its_table_and_builds_its_page(command: Command, tmp_path: Path) -> None:
    done = command("run", *SMALL)
    assert done.code == 0, done.err
    for text in ("ε = 0.25", "backprop", "corr(W3, R3ᵀ)", "log₁₀ ‖E‖²"):
        assert text in done.out
    page = tmp_path / "benchsuite-store" / "site" / "studies" / f"{NAME}.html"
    assert page.is_file()
    assert str(page) in done.out
    assert "10/10" in done.err
    assert "\x1b" not in done.err


def test_json_is_the_record_and_nothing_else(command: Command) -> None:
    record = command("run", *SMALL, "--json").json["study"]
    assert record["spec"]["iterations"] == 5
    assert record["spec"]["seeds"] == [0, 1]
    assert len(record["result"]["trajectories"]) == 10
    assert record["command"].startswith(f"benchsuite run {NAME} --seeds 2 --set ")


def test_the_same_command_finds_the_record_and_fresh_runs_it_again(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = command("run", *SMALL, "--json").json
    ran = []
    simulate = module.simulate
    monkeypatch.setattr(module, "simulate", lambda *given: ran.append(given) or simulate(*given))
    again = command("run", *SMALL, "--json")
    assert (again.code, again.json, ran) == (0, first, [])
    assert "already done, not run again" in again.err
    command("run", *SMALL, "--fresh")
    assert len(ran) == 10


def test_a_run_of_a_track_keeps_the_studies_page(command: Command, tmp_path: Path) -> None:
    command("run", *SMALL)
    command("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop")
    site = tmp_path / "benchsuite-store" / "site"
    assert (site / "studies" / f"{NAME}.html").is_file()
    assert (site / "tracks" / "digits-fc.html").is_file()
    built = command("leaderboard", "build", "--out", "page", "--json").json
    assert (built["records"], built["studies"], built["broken"]) == (1, 1, 0)


def test_a_store_with_studies_alone_has_a_page(command: Command, tmp_path: Path) -> None:
    command("run", *SMALL)
    done = command("leaderboard", "build", "--out", "page", "--json")
    assert (done.code, done.json["studies"]) == (0, 1)
    folder = "benchsuite-store/studies"
    assert command("leaderboard", "build", "--records", folder, "--out", "page", "--json").json["studies"] == 1
    assert NAME in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_divergence_is_a_result_and_exits_0(command: Command) -> None:
    done = command("run", NAME, "--seeds", "1", "--set", "study.step_size=5", "--set", "study.iterations=20")
    assert done.code == 0
    assert "0 of 1" in done.out
    assert "seed 0 diverged: the error stopped being a finite number" in done.out


def test_an_interruption_records_nothing_and_says_how_to_start_again(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "simulate", interrupted)
    done = command("run", *SMALL)
    assert done.code == 130
    assert "nothing was recorded, start again with: benchsuite" in done.err
    assert not list((tmp_path / "benchsuite-store").rglob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "urfb-linear-dynamic"), 2, f"did you mean '{NAME}'?"),
        (("run", NAME, "--tier", "smoke"), 2, "--tier"),
        (("run", NAME, "--rules", "backprop"), 2, "--rules"),
        (("run", NAME, "--set", "study.iterations=0"), 2, "found 0"),
        (("run", NAME, "--seeds", "2", "--seed", "1"), 2, "not both"),
        (("run", *SMALL, "--store", "/proc/nothing"), 1, "cannot"),
        (("plan", NAME), 2, "is a study"),
    ],
)
def test_a_wrong_request_starts_nothing_and_shows_no_traceback(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = command(*arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list((tmp_path / "benchsuite-store").rglob("*.json"))


def test_list_info_and_schema_know_studies(command: Command) -> None:
    assert NAME in [each["name"] for each in command("list", "studies", "--json").json["studies"]]
    assert command("info", NAME, "--json").json["study"]["iterations"] == 1000
    assert "step_size" in str(command("schema", "study").json)
    assert "trajectories" in str(command("schema", "study_record").json)
