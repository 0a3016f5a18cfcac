"""Charts of a built site as files for papers: SVG, PNG and PDF, drawn without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchsuite.errors import BenchsuiteError, DamagedFileError, EmptySelectionError, StoreError, nearest

FORMATS = ("pdf", "png", "svg")
VEGA_LITE = "6.4"
"""The version that draws, of those that vl-convert brings: the nearest to the one in the pages."""
WIDTH = 480
"""Width in pixels of a chart that fills the page's width there: of one column, where a pixel is 1/72 inch."""
PIXELS_PER_POINT = 4
CONFIG: Mapping[str, Any] = {
    "background": "white",
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {"gridOpacity": 0.3, "titleFontWeight": "normal", "labelOverlap": True},
    "axisX": {"grid": False, "tickCount": 6},
    "axisY": {"tickCount": 5},
}
"""As in the pages, but black on white."""


@dataclass(frozen=True)
class Figure:
    """One chart of a page."""

    name: str
    """Name of its files without an ending: its page's path and its id."""
    text: str
    """Its Vega-Lite spec as JSON."""


def write_figures(site: Path, out: Path, formats: Sequence[str] = ("pdf", "svg"), match: str = "") -> list[Path]:
    """Draw every chart of a built site into files.

    Args:
        site: folder of a site that ``build_site`` wrote.
        out: folder to write to; files of the same names are replaced.
        formats: the formats of each chart.
        match: draw only charts with this in their name, whatever its case.

    Returns:
        The files, by name.

    Raises:
        BenchsuiteError: if a format is unknown, or vl-convert is not installed.
        DamagedFileError: if a page's chart cannot be drawn.
        EmptySelectionError: if there is no such chart.
        StoreError: if a page cannot be read, or a file not written.

    """
    drawers = {kind: _drawer(kind) for kind in formats}
    chosen = [figure for figure in figures_of(site) if match.lower() in figure.name.lower()]
    if not chosen:
        wanted = f"no chart with '{match}' in its name" if match else "no charts"
        raise EmptySelectionError(f"{wanted} in {site}; `benchsuite leaderboard build --out {site}` makes a site")
    written = []
    for figure in chosen:
        for kind, draw in drawers.items():
            path = out / f"{figure.name}.{kind}"
            _write(path, _drawn(figure, draw))
            written.append(path)
    return sorted(written)


def _drawn(figure: Figure, draw: Callable[[dict[str, Any]], bytes]) -> bytes:
    try:
        return draw(on_paper(json.loads(figure.text)))
    except ValueError as error:  # of JSON, and of what vl-convert refuses
        reason = " ".join(str(error).split("\n")[:2]).strip()  # the first names the step, the second the fault
        raise DamagedFileError(
            f"{figure.name}: this chart cannot be drawn: {reason}; `benchsuite leaderboard build --fresh` makes the "
            "site's pages anew"
        ) from None


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}; give another folder with --out") from None


def figures_of(site: Path) -> Iterator[Figure]:
    """Yield the charts of all pages of a site, by page."""
    for page in sorted(site.rglob("*.html")):
        name = "-".join(page.relative_to(site).with_suffix("").parts)
        reader = _ChartReader()
        try:
            reader.feed(page.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{page}: cannot be read: {error}") from None
        for chart_id, text in reader.specs.items():
            yield Figure(re.sub(r"[^\w.-]+", "-", f"{name}-{chart_id}"), text)


def on_paper(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page's spec with a width of its own and the colours of paper."""
    spec = json.loads(json.dumps(spec).replace('"currentColor"', '"black"'))  # the theme's colour of text
    drawn = {**spec, "config": {**CONFIG, **spec.get("config", {})}}
    return {**drawn, "width": WIDTH} if spec.get("width") == "container" else drawn


def _drawer(kind: str) -> Callable[[dict[str, Any]], bytes]:
    if kind not in FORMATS:
        raise BenchsuiteError(f"charts are drawn as {', '.join(FORMATS)}; found '{kind}'{nearest(kind, FORMATS)}")
    try:
        import vl_convert
    except ImportError:
        raise BenchsuiteError(
            "vl-convert, which draws charts into files, is not installed; `pip install 'benchsuite[figures]'` brings "
            "it. The pages themselves offer each chart as SVG and PNG"
        ) from None
    match kind:
        case "svg":
            return lambda spec: str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)).encode()
        case "png":
            return lambda spec: bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=PIXELS_PER_POINT))
        case _:
            return lambda spec: bytes(vl_convert.vegalite_to_pdf(spec, vl_version=VEGA_LITE))


class _ChartReader(HTMLParser):
    """Collects the texts of a page's charts by the ids that their places name."""

    def __init__(self) -> None:
        super().__init__()
        self.specs: dict[str, str] = {}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if chart := given.get("data-chart"):
            self.specs[chart] = ""
        self._inside = given.get("id") or "" if tag == "script" else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.specs:
            self.specs[self._inside] += data
