"""Addresses within the pages of ``benchsuite ui``: our own, the board's, and MLflow's.

MLflow 3.17 opens its menu for language models until a browser has chosen the other, and has no setting for it on the
server; ``workflowType`` in an address chooses for that page alone. So links lead through a page that makes the choice.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

HOME = "/benchsuite/"
"""List of the tracks, made by us and served beside MLflow's pages."""

BOARD = "/benchsuite/board/"
"""The store's leaderboard site."""

GATE = "from=benchsuite"
"""Query of MLflow's start page that makes our server answer with the gate; a server of MLflow's own ignores it."""

MENU = {"workflowType": "machine_learning"}
"""Query of a page that chooses MLflow's menu for training; versions before 3.17 ignore it."""


def chart_page(experiment_id: str, view: str | None) -> str:
    """Return MLflow's page of charts of an experiment, laid out as a saved view says if it has one."""
    # MLflow shows an error for a view that is not there.
    query = urlencode({**({"viewStateShareKey": view} if view else {}), "compareRunsMode": "CHART", **MENU})
    return f"/#/experiments/{quote(experiment_id, safe='')}/runs?{query}"


def run_page(experiment_id: str, mlflow_run_id: str) -> str:
    """Return MLflow's page of a run."""
    return f"/#/experiments/{quote(experiment_id, safe='')}/runs/{quote(mlflow_run_id, safe='')}?{urlencode(MENU)}"


def through_gate(page: str) -> str:
    """Return the address that chooses MLflow's menu for training and goes on to one of its pages."""
    return f"/?{GATE}{page.removeprefix('/')}"


def track_on_board(track: str) -> str:
    """Return a track's page on the board."""
    return f"{BOARD}tracks/{quote(track, safe='')}.html"


def run_on_board(track: str, run_id: str) -> str:
    """Return a run's page on the board."""
    return f"{BOARD}runs/{quote(track, safe='')}/{quote(run_id, safe='')}.html"


def track_in_mlflow(track: str) -> str:
    """Return the address that leads to a track's charts in MLflow, whatever its number there."""
    return f"{HOME}track/{quote(track, safe='')}"


def run_in_mlflow(run_id: str) -> str:
    """Return the address that leads to a run's page in MLflow, whatever its number there."""
    return f"{HOME}run/{quote(run_id, safe='')}"
