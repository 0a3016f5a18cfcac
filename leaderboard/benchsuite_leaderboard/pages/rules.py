"""The list of rules, and each rule's page: what it does, all results, claims, tuning, and what the audit found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jinja2 import Environment

from benchsuite.results.rule_style import rule_color
from benchsuite_leaderboard.charts.tuning import rate_chart
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.results import rule_data
from benchsuite_leaderboard.downloads.rules import audit_data, rules_data
from benchsuite_leaderboard.pages.frame import Frame, page_name
from benchsuite_leaderboard.paths import CAPTIONS
from benchsuite_leaderboard.rules import AUDIT_VERDICTS, MECHANISMS, TRAIT_WORDS, first_command, rule_pages


def render_rules(
    environment: Environment, frame: Frame, content: SiteContent, pairs: Sequence[Pair]
) -> Iterator[tuple[str, str]]:
    """Yield the list of rules, the page of every rule, and their files for download.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        content: everything that the site has.
        pairs: pairs from ``pairs_of``.

    Raises:
        ValueError: if a rule's name could not safely be a file's name.

    """
    rules = rule_pages(content)
    words = {
        "trait_words": TRAIT_WORDS,
        "audit_verdicts": AUDIT_VERDICTS,
        "mechanisms": MECHANISMS,
        "names": content.names,
        "captions": CAPTIONS,
    }
    template = environment.get_template("rules.html.j2")
    yield "rules.html", template.render(frame.variables("rules", "") | words, rules=rules)
    yield from as_files(rules_data(rules), "downloads/rules")
    template = environment.get_template("rule.html.j2")
    around = frame.variables("rules", "../")
    for page in rules:
        page_name("rule", page.name)
        partners = [
            (p.right if p.left == page.name else p.left, p.address) for p in pairs if page.name in (p.left, p.right)
        ]
        text = template.render(
            around | words,
            page=page,
            partners=sorted(partners),
            papers=[paper for paper in content.papers if page.name in paper.rules],
            command=first_command(page.name, content.board),
            color=rule_color(page.name),
            rates=[(table, rate_chart(table, rule)) for table, rule in page.tunings],
        )
        yield page.address, text
        if page.results:
            yield from as_files(rule_data(page.name, page.results), f"downloads/rules/{page.name}")
        if page.audit:
            yield from as_files(audit_data(page), f"downloads/audits/{page.name}")
