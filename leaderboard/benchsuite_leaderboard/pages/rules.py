"""The list of rules, and each rule's page: what it does, all results, claims, tuning, and what the audit found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jinja2 import Environment

from benchsuite.results.rule_style import rule_color
from benchsuite_leaderboard.charts.tuning import rate_chart
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.downloads.formats import KINDS, as_files
from benchsuite_leaderboard.downloads.results import rule_data
from benchsuite_leaderboard.downloads.rules import audit_data, rules_data
from benchsuite_leaderboard.kept_pages import KeptPages, words_in_order
from benchsuite_leaderboard.pages.frame import Frame, page_name
from benchsuite_leaderboard.paths import CAPTIONS
from benchsuite_leaderboard.rules import AUDIT_VERDICTS, MECHANISMS, TRAIT_WORDS, RulePage, first_command, rule_pages

if TYPE_CHECKING:
    from benchsuite.results.model import RuleRow, TrackTable
    from benchsuite.results.tuning_summary import TuningTable


def render_rules(
    environment: Environment, frame: Frame, content: SiteContent, pairs: Sequence[Pair], kept: KeptPages
) -> Iterator[tuple[str, str]]:
    """Yield the list of rules, the page of every rule, and their files for download.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        content: everything that the site has.
        pairs: pairs from ``pairs_of``.
        kept: pages of an earlier build, which are left out while they need no change.

    Raises:
        ValueError: if a rule's name could not safely be a file's name.

    """
    rules = rule_pages(content)
    names = content.names
    words = {
        "trait_words": TRAIT_WORDS,
        "audit_verdicts": AUDIT_VERDICTS,
        "mechanisms": MECHANISMS,
        "captions": CAPTIONS,
    }
    template = environment.get_template("rules.html.j2")
    yield "rules.html", template.render(frame.variables("rules", "") | words, rules=rules, names=names)
    yield from as_files(rules_data(rules), "downloads/rules")
    template = environment.get_template("rule.html.j2")
    around = frame.variables("rules", "../")
    for page in rules:
        page_name("rule", page.name)
        partners = sorted(
            (p.right if p.left == page.name else p.left, p.address) for p in pairs if page.name in (p.left, p.right)
        )
        beside = {
            "full_name": names.full(page.name),
            "short_name": names.short(page.name),
            "partners": [(names.full(name), address) for name, address in partners],
            "paper": next((paper.anchor for paper in content.papers if page.name in paper.rules), ""),
            "command": first_command(page.name, content.board),
            "color": rule_color(page.name),
        }
        if not kept.keep(frame, _words(page, beside), _results(page), [page.address, *_downloads(page)]):
            rates = [(table, rate_chart(table, rule)) for table, rule in page.tunings]
            yield page.address, template.render(around | words | beside, page=page, rates=rates)
            if page.results:
                yield from as_files(rule_data(page.name, page.results), f"downloads/rules/{page.name}")
            if page.audit:
                yield from as_files(audit_data(page), f"downloads/audits/{page.name}")


def _words(page: RulePage, beside: Mapping[str, object]) -> list[object]:
    """Return all that a page shows but its results; a field that is added to ``RulePage`` is in it without more ado."""
    rest = replace(page, audit=None, words=None, results=(), tunings=())
    audit = page.audit.model_dump_json() if page.audit else ""
    return [rest, audit, words_in_order(page.words), beside, [rule.label for _, rule in page.tunings]]


def _results(page: RulePage) -> Iterator[RuleRow | TrackTable | TuningTable]:
    for table, row in page.results:
        yield from (table, row)
    yield from (table for table, _ in page.tunings)


def _downloads(page: RulePage) -> list[str]:
    folders = [*(["rules"] if page.results else []), *(["audits"] if page.audit else [])]
    return [f"downloads/{folder}/{page.name}.{kind}" for folder in folders for kind in KINDS]
