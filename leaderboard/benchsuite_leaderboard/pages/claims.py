"""The page of claims: each with its verdict, its numbers and links to their rows; published values beside ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from jinja2 import Environment

from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.papers.value_words import difference_words, measured_words, published_words, value_metric_words
from benchsuite.papers.verdict_model import VERDICT_WORDS, ClaimVerdict
from benchsuite.papers.verdict_words import (
    copy_words,
    gap_words,
    metric_words,
    missing_words,
    side_words,
    undecided_reasons,
)
from benchsuite.results.model import TrackTable
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.pages.frame import CLAIMS_ADDRESS, Frame
from benchsuite_leaderboard.papers_list import paper_title


def render_claims(environment: Environment, frame: Frame, content: SiteContent) -> Iterator[tuple[str, str]]:
    """Yield the page, if there are any claims.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        content: everything that the site has.

    """
    verdicts = content.claims
    if verdicts:
        text = environment.get_template("claims.html.j2").render(
            frame.variables("claims", ""),
            counts=verdict_counts(verdicts),
            decided=_by_paper(verdict for verdict in verdicts if verdict.tier),
            undecided=_by_paper(verdict for verdict in verdicts if not verdict.tier),
            places=_places(content.tables),
            published=_by_source(content.values),
            published_sizes=content.published,
            in_words=content.names.in_words,
            values_anchor=values_anchor,
            undecided_reasons=undecided_reasons,
            difference_words=difference_words,
            measured_words=measured_words,
            published_words=published_words,
            value_metric_words=value_metric_words,
            copy_words=copy_words,
            gap_words=gap_words,
            metric_words=metric_words,
            missing_words=missing_words,
            side_words=side_words,
        )
        yield CLAIMS_ADDRESS, text


def verdict_counts(verdicts: Iterable[ClaimVerdict]) -> list[tuple[str, int]]:
    """Return the number of claims per verdict, in words; verdicts without claims are left out."""
    counts = Counter(verdict.verdict for verdict in verdicts)
    return [(words, counts[verdict]) for verdict, words in VERDICT_WORDS.items() if counts[verdict]]


def _by_paper(verdicts: Iterable[ClaimVerdict]) -> list[tuple[str, list[ClaimVerdict]]]:
    """Group claims by the first paper of their source, by verdict and name."""
    groups: dict[str, list[ClaimVerdict]] = {}
    for verdict in verdicts:
        groups.setdefault(paper_title(verdict.claim.source), []).append(verdict)
    order = list(VERDICT_WORDS)
    return [
        (paper, sorted(members, key=lambda v: (order.index(v.verdict), v.claim.name)))
        for paper, members in sorted(groups.items())
    ]


def values_anchor(reference: str) -> str:
    """Return the place on the page of a file's published values."""
    return f"values-{reference}"


def _by_source(values: Iterable[MeasuredValue]) -> list[tuple[str, str, list[MeasuredValue]]]:
    """Group published values by their source, in the order of the files; within a file by track, in its order."""
    groups: dict[tuple[str, str], list[MeasuredValue]] = {}
    for each in values:
        groups.setdefault((each.reference, each.source), []).append(each)
    return [(reference, source, members) for (reference, source), members in sorted(groups.items())]


def _places(tables: Iterable[TrackTable]) -> dict[str, str]:
    """Return the address of each run's row, within the site."""
    return {
        run.run_id: f"tracks/{table.track}.html#row-{row.row_id}"
        for table in tables
        for row in table.rows
        for run in row.runs
    }
