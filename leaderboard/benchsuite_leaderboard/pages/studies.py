"""A study's page: a table and charts for each of the settings that the study was made with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from benchsuite_leaderboard.charts.studies import correlation_charts, error_chart, experiment_series
from benchsuite_leaderboard.pages.frame import POINTS_A_PAGE, Frame, page_name
from benchsuite_leaderboard.study_tables import ExperimentTable


@dataclass(frozen=True)
class ExperimentPage:
    """One experiment with each of the settings it was made with, as the templates see it."""

    name: str
    tables: tuple[ExperimentTable, ...]

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"experiments/{self.name}.html"


def study_pages(experiments: Iterable[ExperimentTable]) -> list[ExperimentPage]:
    """Put together the tables of each experiment.

    Raises:
        ValueError: if an experiment's name could not safely be a file's name.

    """
    by_name: dict[str, list[ExperimentTable]] = {}
    for experiment in experiments:
        by_name.setdefault(page_name("experiment", experiment.name), []).append(experiment)
    return [ExperimentPage(name, tuple(members)) for name, members in sorted(by_name.items())]


def render_studies(
    environment: Environment, frame: Frame, experiments: Iterable[ExperimentTable]
) -> Iterator[tuple[str, str]]:
    """Yield the page of each experiment.

    Args:
        environment: of the site's templates.
        frame: what is around every page.
        experiments: as ``summarize_experiments`` gives them.

    """
    template = environment.get_template("experiment.html.j2")
    around = frame.variables("experiments", "../")
    for page in study_pages(experiments):
        yield page.address, template.render(around, page=page, drawings=_drawings(page))


def _drawings(page: ExperimentPage) -> dict[str, dict[str, Any]]:
    budget = POINTS_A_PAGE // len(page.tables)
    return {
        table.experiment_id: {
            "series": experiment_series(table),
            "error": error_chart(table, budget // 2),
            "correlations": correlation_charts(table, budget // 2),
        }
        for table in page.tables
    }
