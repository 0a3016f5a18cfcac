"""Pages about the site itself: method, glossary, how to submit, changes over time, and the papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from benchsuite.results.across_tasks import MIN_TASKS_FOR_INTERVAL
from benchsuite.results.chance import NEAR_CHANCE
from benchsuite.results.model import MIN_SEEDS
from benchsuite.specs.models.track import DEFAULT_SEEDS
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.models.validity import ValiditySpec
from benchsuite_leaderboard.arrivals import TOLERANCE, VERIFICATION_WORDS, Arrival
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.pages.claims import values_anchor
from benchsuite_leaderboard.pages.frame import (
    CHANGES_ADDRESS,
    GLOSSARY_ADDRESS,
    METHOD_ADDRESS,
    PAPERS_ADDRESS,
    SUBMIT_ADDRESS,
    Frame,
)
from benchsuite_leaderboard.papers_list import place_in_paper
from benchsuite_leaderboard.texts import glossary


@dataclass(frozen=True)
class Day:
    """The records of one day."""

    day: str
    arrivals: tuple[Arrival, ...]

    @property
    def runs(self) -> int:
        """Return the number of records."""
        return sum(arrival.runs for arrival in self.arrivals)

    @property
    def commits(self) -> list[str]:
        """Return the commits of the suite that made them, shortened."""
        return sorted({arrival.commit[:12] for arrival in self.arrivals if arrival.commit})

    @property
    def lines(self) -> list[tuple[Arrival, tuple[str, ...], int]]:
        """Return one line per track, tier, settings, hardware and verification: an example, the rules, and the runs."""
        found: dict[tuple[str, ...], list[Arrival]] = {}
        for each in self.arrivals:
            key = (each.track, each.tier, each.settings, each.hardware_class, each.status, each.verification)
            found.setdefault(key, []).append(each)
        return [
            (members[0], tuple(dict.fromkeys(m.rule for m in members)), sum(m.runs for m in members))
            for _, members in sorted(found.items())
        ]


def render_about(environment: Environment, frame: Frame, content: SiteContent) -> Iterator[tuple[str, str]]:
    """Yield the pages; that of papers only if there are any.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        content: everything that the site has.

    """

    def page(template: str, here: str, **variables: object) -> str:
        return environment.get_template(template).render(
            frame.variables(here, ""), content=content, names=content.names, **variables
        )

    yield (
        METHOD_ADDRESS,
        page(
            "method.html.j2",
            "method",
            board=content.board,
            min_seeds=MIN_SEEDS,
            default_seeds=DEFAULT_SEEDS,
            budget=TuningBudget(),
            validity=ValiditySpec(),
            near_chance=NEAR_CHANCE,
            min_tasks=MIN_TASKS_FOR_INTERVAL,
            tolerance=TOLERANCE,
        ),
    )
    yield GLOSSARY_ADDRESS, page("glossary.html.j2", "glossary", terms=glossary())
    yield SUBMIT_ADDRESS, page("submit.html.j2", "submit", tolerance=TOLERANCE)
    yield (
        CHANGES_ADDRESS,
        page("changes.html.j2", "changes", days=days_of(content.arrivals), verification_words=VERIFICATION_WORDS),
    )
    if frame.has_papers:
        yield (
            PAPERS_ADDRESS,
            page(
                "papers.html.j2",
                "papers",
                rule_pages=set(content.rules),
                published_sizes=content.published,
                values_anchor=values_anchor,
                place_in_paper=place_in_paper,
            ),
        )


def days_of(arrivals: Sequence[Arrival]) -> list[Day]:
    """Return the records by the day on which their runs ended, the latest first."""
    found: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        found.setdefault(arrival.day, []).append(arrival)
    return [Day(day, tuple(members)) for day, members in sorted(found.items(), reverse=True)]
