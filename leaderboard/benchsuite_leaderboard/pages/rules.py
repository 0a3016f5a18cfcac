"""The list of rules, and each rule's page: declared traits, audit findings and all results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from jinja2 import Environment

from benchsuite.records.audit import RuleAudit
from benchsuite.results.model import TrackTable
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.results import rule_data
from benchsuite_leaderboard.downloads.rules import audit_data, rules_data
from benchsuite_leaderboard.pages.frame import Frame, page_name
from benchsuite_leaderboard.rules import AUDIT_VERDICTS, MECHANISMS, TRAIT_WORDS, rule_pages


def render_rules(
    environment: Environment,
    frame: Frame,
    tables: Sequence[TrackTable],
    audits: Iterable[RuleAudit],
    pairs: Sequence[Pair],
) -> Iterator[tuple[str, str]]:
    """Yield the list of rules, the page of every rule that was run or audited, and their files for download.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: tables from ``summarize``.
        audits: audits of rules from ``benchsuite audit --out``.
        pairs: pairs from ``pairs_of``.

    Raises:
        ValueError: if a rule's name could not safely be a file's name.

    """
    rules = rule_pages(tables, audits)
    words = {"trait_words": TRAIT_WORDS, "audit_verdicts": AUDIT_VERDICTS, "mechanisms": MECHANISMS}
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
        yield page.address, template.render(around | words, page=page, partners=sorted(partners))
        yield from as_files(rule_data(page.name, page.results), f"downloads/rules/{page.name}")
        if page.audit:
            yield from as_files(audit_data(page), f"downloads/audits/{page.name}")
