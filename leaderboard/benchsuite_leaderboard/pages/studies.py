"""A study's page: a table and charts for each setting of the study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from benchsuite_leaderboard.charts.studies import study_figures, study_series
from benchsuite_leaderboard.pages.frame import POINTS_A_PAGE, Frame, page_name
from benchsuite_leaderboard.study_tables import StudyTable


@dataclass(frozen=True)
class StudyPage:
    """One study with all its settings, as passed to the templates."""

    name: str
    tables: tuple[StudyTable, ...]

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"studies/{self.name}.html"


def study_pages(studies: Iterable[StudyTable]) -> list[StudyPage]:
    """Group the tables by study.

    Raises:
        ValueError: if a study's name could not safely be a file's name.

    """
    by_name: dict[str, list[StudyTable]] = {}
    for study in studies:
        by_name.setdefault(page_name("study", study.name), []).append(study)
    return [StudyPage(name, tuple(members)) for name, members in sorted(by_name.items())]


def render_studies(environment: Environment, frame: Frame, studies: Iterable[StudyTable]) -> Iterator[tuple[str, str]]:
    """Yield the page of each study.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        studies: tables from ``summarize_studies``.

    """
    template = environment.get_template("study.html.j2")
    around = frame.variables("studies", "../")
    for page in study_pages(studies):
        yield page.address, template.render(around, page=page, drawings=_drawings(page))


def _drawings(page: StudyPage) -> dict[str, dict[str, Any]]:
    budget = POINTS_A_PAGE // len(page.tables)
    return {
        table.study_id: {
            "series": {} if table.summary is None else study_series(table.summary),
            "figures": study_figures(table, budget),
        }
        for table in page.tables
    }
