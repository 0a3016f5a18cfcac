"""Charts of a site as files. The oracles are the pages' own specs and the formats' first bytes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchsuite.cli.main import run_command
from benchsuite.errors import BenchsuiteError, EmptySelectionError, StoreError
from benchsuite_leaderboard.figure_files import WIDTH, figures_of, on_paper, write_figures
from benchsuite_leaderboard.site import build_site
from tests.factories import make_seeds

SIGNS = {"pdf": b"%PDF-", "png": b"\x89PNG", "svg": b"<svg"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures") / "site"
    build_site([*make_seeds("backprop", [0.1, 0.11, 0.12]), *make_seeds("fa", [0.2, 0.21, 0.22])], folder)
    return folder


def test_every_chart_of_every_page_is_found_and_drawn_as_a_picture(site: Path, tmp_path: Path) -> None:
    """Catches a chart that a page has and no file shows, an empty picture, and names that overwrite each other."""
    pages = {page: page.read_text(encoding="utf-8").count("data-chart=") for page in site.rglob("*.html")}
    figures = list(figures_of(site))
    assert len({figure.name for figure in figures}) == len(figures) == sum(pages.values()) > 3
    files = write_figures(site, tmp_path, ("svg",))
    assert [file.stem for file in files] == sorted(figure.name for figure in figures)
    for file in files:
        drawn = ElementTree.fromstring(file.read_text(encoding="utf-8"))  # noqa: S314 (written a line above)
        assert sum(element.tag.endswith("path") for element in drawn.iter()) > 3, file.name
        assert "currentColor" not in file.read_text(encoding="utf-8"), "paper has no theme"


def test_each_format_is_what_its_ending_says(site: Path, tmp_path: Path) -> None:
    for file in write_figures(site, tmp_path, tuple(SIGNS), match="TRACKS-digits-fc-learning"):
        assert file.read_bytes().startswith(SIGNS[file.suffix[1:]]), file.name
    assert {file.suffix[1:] for file in tmp_path.iterdir()} == set(SIGNS)


def test_a_chart_as_wide_as_its_page_gets_a_width_and_another_keeps_its_own() -> None:
    assert on_paper({"width": "container"})["width"] == WIDTH
    assert on_paper({"width": 150})["width"] == 150
    assert on_paper({"config": {"font": "Times"}})["config"]["font"] == "Times"


def test_the_command_draws_what_matches_and_says_how_many(site: Path, tmp_path: Path, capsys: Any) -> None:
    asked = [
        "leaderboard",
        "figures",
        str(site),
        "--out",
        str(tmp_path / "f"),
        "--match",
        "learning",
        "--format",
        "svg",
    ]
    assert run_command(asked) == 0
    assert capsys.readouterr().out.startswith("1 file in ")


@pytest.mark.parametrize("text", ["{bad", '{"mark": 5}'], ids=["no JSON", "no chart"])
def test_a_chart_that_cannot_be_drawn_is_one_line_that_names_it(text: str, tmp_path: Path, capsys: Any) -> None:
    """Catches a traceback for a page that somebody edited."""
    page = f'<div data-chart="c"></div><script type="application/json" id="c">{text}</script>'
    (tmp_path / "mine.html").write_text(page, encoding="utf-8")
    assert run_command(["leaderboard", "figures", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("benchsuite: mine-c: this chart cannot be drawn: ")
    assert "Traceback" not in said


def test_a_folder_that_cannot_be_written_is_one_line(site: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written: "):
        write_figures(site, tmp_path / "file", ("svg",), match="learning")


def test_what_cannot_be_drawn_is_said_and_nothing_is_written(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(BenchsuiteError, match="drawn as pdf, png, svg; found 'pfd'; did you mean 'pdf'"):
        write_figures(site, out, ("pfd",))
    with pytest.raises(EmptySelectionError, match="no chart with 'nothing' in its name"):
        write_figures(site, out, match="nothing")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(BenchsuiteError, match=r"pip install 'benchsuite\[figures\]'"):
        write_figures(site, out)
    assert not out.exists()
