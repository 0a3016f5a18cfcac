"""Our pages on the server of MLflow's pages: the list of tracks, the way into MLflow's pages, and the board.

MLflow keeps in the browser which of its menus it shows, whether its assistant is open, and the colours of groups. Our
pages set them before MLflow reads them; what a person has chosen later stays.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles

from benchsuite.records.mlflow.addresses import (
    BOARD,
    GATE,
    HOME,
    MENU,
    chart_page,
    run_in_mlflow,
    run_page,
    through_gate,
    track_in_mlflow,
    track_on_board,
)
from benchsuite.records.mlflow.overview import Board, boards, outdated_runs, place_of_run
from benchsuite.records.mlflow.views import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from sqlalchemy.engine import Engine
    from starlette.requests import Request
    from starlette.types import Scope

SETUP = """
(() => {
  const store = window.localStorage, set = (key, value) => store.setItem(key, JSON.stringify(value));
  set("mlflow.workflowType_v1", "machine_learning");
  if (!store.getItem("benchsuite.opened")) {
    set("mlflow.assistant.panelOpen_v1", false);
    set("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", true);
    set("benchsuite.opened", true);
  }
  let colors = {};
  try { colors = JSON.parse(store.getItem("experimentRunColors")) || {}; } catch (error) { colors = {}; }
  set("experimentRunColors", { ...COLORS, ...colors });
  for (const id of EXPERIMENTS) {
    const key = `MLflowLocalStorage-1.1-ExperimentPage-["${id}"]-ReactComponentState`;
    if (!store.getItem(key)) set(key, { selectedColumns: COLUMNS, columnOrder: COLUMNS });
  }
})();
"""
"""Names of MLflow 3.17; a version that has others ignores them."""

GO_ON = Markup('window.location.replace("/" + window.location.hash);')

_ON_BOARD = re.compile(r"(?P<kind>runs|tracks)/(?P<rest>[^?#]+)\.html")


class OurPages:
    """The pages, for one tracking store and the site of one store.

    Args:
        engine: MLflow's connection to its database.
        board: folder of the store's site; its pages are served if it is there.

    """

    def __init__(self, engine: Engine, board: Path) -> None:
        self.engine = engine
        self.board = board
        self._home = Environment(
            autoescape=True, loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True
        ).get_template("home.html.j2")

    def routes(self) -> list[BaseRoute]:
        """Return the routes, which must come before MLflow's own."""
        return [
            Route(HOME, self.home),
            Route(HOME.rstrip("/"), lambda request: RedirectResponse(HOME)),
            Route(f"{HOME}track/{{track}}", self.to_track),
            Route(f"{HOME}run/{{run_id}}", self.to_run),
            Mount(BOARD.rstrip("/"), BoardPages(self.board)),
            _Gate("/", self.gate),
        ]

    def home(self, request: Request) -> Response:
        """List the tracks."""
        found = boards(self.engine)
        page = self._home.render(
            boards=[self._row(board) for board in found],
            outdated=outdated_runs(self.engine),
            board=BOARD,
            has_board=(self.board / "index.html").is_file(),
            menu="#/experiments?" + urlencode(MENU),
            setup=setup_script(found),
        )
        return HTMLResponse(page)

    def gate(self, request: Request) -> Response:
        """Set the browser up, and go on to the page of MLflow that the address names after the hash."""
        script = setup_script(boards(self.engine)) + GO_ON
        return HTMLResponse(f"<!doctype html><title>MLflow</title><script>{script}</script>")

    def to_track(self, request: Request) -> Response:
        """Go on to a track's charts at the tier with the most work; to the list if there is no such track."""
        track = request.path_params["track"]
        found = next((board for board in boards(self.engine) if board.track == track), None)
        return RedirectResponse(through_gate(_charts(found)) if found else HOME)

    def to_run(self, request: Request) -> Response:
        """Go on to a run's page; to the list if it is not mirrored."""
        place = place_of_run(self.engine, request.path_params["run_id"])
        return RedirectResponse(through_gate(run_page(*place)) if place else HOME)

    def _row(self, board: Board) -> Mapping[str, Any]:
        is_there = (self.board / "tracks" / f"{board.track}.html").is_file()
        return {
            "title": board.title,
            "track": board.track,
            "tier": board.tier,
            "runs": board.runs,
            "rule": board.best_rule,
            "color": board.colors.get(board.best_rule or ""),
            "error": board.best_error_percent,
            "best_runs": board.best_runs,
            "charts": _charts(board),
            "on_board": track_on_board(board.track) if is_there else None,
        }


class _Gate(Route):
    """The way into MLflow's pages: its start page's address with a query; without it, the route is not ours."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        is_asked = scope.get("query_string", b"") == GATE.encode()
        return super().matches(scope) if is_asked else (Match.NONE, {})


class BoardPages(StaticFiles):
    """The store's site; pages of runs and tracks get a link into MLflow, which they cannot have as files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self.folder = folder

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return a file of the site."""
        response = await super().get_response(path, scope)
        full_path, _ = self.lookup_path(path)
        if response.status_code != 200 or not full_path.endswith(".html"):
            return response
        text = Path(full_path).read_text(encoding="utf-8")
        return HTMLResponse(_with_link(text, path), headers={"Cache-Control": "no-cache"})


def _with_link(page: str, path: str) -> str:
    found = _ON_BOARD.fullmatch(path)
    if found is None:
        target, text = HOME, "Runs in MLflow"
    elif found["kind"] == "runs":
        target, text = run_in_mlflow(found["rest"].rpartition("/")[2]), "This run in MLflow"
    else:
        target, text = track_in_mlflow(found["rest"]), "This track in MLflow"
    link = f'<p style="margin: 0; padding: .25rem 1rem; text-align: right"><a href="{target}">{text}</a></p>'
    return re.sub(r"(<body[^>]*>)", lambda match: match[0] + link, page, count=1)


def setup_script(found: list[Board]) -> Markup:
    """Return the script that sets MLflow's choices in the browser, with the colours of groups of runs by rule.

    It also gives the pages of runs that are opened in another way than with a view the columns of our views.
    """
    colors = {f"param.rule.{rule}": color for board in found for rule, color in board.colors.items()}
    values = {"COLORS": colors, "EXPERIMENTS": sorted({board.experiment_id for board in found}), "COLUMNS": COLUMNS}
    # In a script, a text must not end the element: names of rules come from records.
    plain = {name: json.dumps(value).replace("<", "\\u003c") for name, value in values.items()}
    return Markup("".join(f"const {name} = {text};" for name, text in plain.items()) + SETUP)  # noqa: S704 - escaped


def _charts(board: Board) -> str:
    return chart_page(board.experiment_id, board.view)
