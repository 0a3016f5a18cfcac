"""The index that the front page's search looks through: rules, tracks, papers and claims, each with its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.results.model import TrackTable
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.pages.frame import CLAIMS_ADDRESS


@dataclass(frozen=True)
class Entry:
    """One thing to find."""

    kind: str
    title: str
    words: str
    """Further words by which it is found."""
    address: str
    """Address within the site."""


def index_of(
    rules: Iterable[str],
    tables: Sequence[TrackTable],
    claims: Iterable[ClaimVerdict],
    papers: Iterable[tuple[str, str]],
    names: RuleNames,
) -> list[dict[str, str]]:
    """Return the entries as plain data.

    Args:
        rules: rules that have a page.
        tables: tables from ``summarize``.
        claims: verdicts from ``judge``.
        papers: name and address of each paper.
        names: names of rules.

    """
    found = [
        Entry("rule", _rule_title(rule, names), f"{rule} {names.summary(rule)}", f"rules/{rule}.html") for rule in rules
    ]
    tracks: dict[str, list[TrackTable]] = {}
    for table in tables:
        tracks.setdefault(table.track, []).append(table)
    for track, members in tracks.items():
        rules_here = " ".join(dict.fromkeys(row.rule for table in members for row in table.rows))
        words = f"{members[0].dataset_title} {members[0].architecture_title} {rules_here}"
        found.append(Entry("track", track, words, f"tracks/{track}.html"))
    found += [Entry("paper", name, "", address) for name, address in papers]
    found += [
        Entry("claim", v.claim.shown_as, f"{v.words} {v.claim.source}", f"{CLAIMS_ADDRESS}#claim-{v.claim.name}")
        for v in claims
    ]
    return [asdict(entry) for entry in found]


def _rule_title(rule: str, names: RuleNames) -> str:
    short, full = names.short(rule), names.full(rule)
    return full if short == full else f"{short}: {full}"
