"""Rules as data: what they claim, and what the audit made of it."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite.records.audit import ClaimAudit
from benchsuite.results.formatting import number
from benchsuite_leaderboard.downloads.formats import DataTable, Value
from benchsuite_leaderboard.rules import AUDIT_VERDICTS, CLAIM_WORDS, RulePage


def rules_data(rules: Iterable[RulePage]) -> DataTable:
    """Return the list of rules with what they claim and what the audit made of it."""
    rules = list(rules)
    columns = ["rule", "tracks", "runs", "completed"]
    for trait in CLAIM_WORDS:
        columns += [f"{trait}_claimed", f"{trait}_verdict"]
    rows: list[tuple[Value, ...]] = []
    for page in rules:
        found: list[Value] = [page.name, page.tracks, page.runs, page.completed]
        for name in CLAIM_WORDS:
            claim = page.claims.get(name)
            found += [claim.claimed, claim.verdict] if claim else [None, None]
        rows.append(tuple(found))
    printed = tuple((p.name, str(p.tracks), *(_claim_words(p.claims.get(name)) for name in CLAIM_WORDS)) for p in rules)
    heads = ("Rule", "Tracks", *(words for words, _ in CLAIM_WORDS.values()))
    return DataTable(
        "Rules: what they claim, and what experiments made of it", tuple(columns), tuple(rows), heads, printed
    )


def audit_data(page: RulePage) -> DataTable:
    """Return what the audit found of one rule."""
    columns = (
        "trait",
        "claimed",
        "shown",
        "verdict",
        "largest_value",
        "limit",
        "network",
        "where",
        "measure",
        "reason",
    )
    rows, printed = [], []
    for name, claim in page.claims.items():
        seen = claim.strongest
        place = (seen.value, claim.threshold, seen.network, seen.where) if seen else (None, claim.threshold, None, None)
        rows.append((name, claim.claimed, claim.shown, claim.verdict, *place, claim.measure, claim.reason or None))
        shown = "–" if claim.shown is None else _yes(claim.shown)
        value = "–" if seen is None else number(seen.value)
        words = CLAIM_WORDS[name][0] if name in CLAIM_WORDS else name
        printed.append((words, _yes(claim.claimed), shown, AUDIT_VERDICTS[claim.verdict], value))
    heads = ("Trait", "Claimed", "Shown", "Verdict", "Largest value")
    return DataTable(f"Audit of {page.name}", columns, tuple(rows), heads, tuple(printed))


def _claim_words(claim: ClaimAudit | None) -> str:
    return "–" if claim is None else f"{_yes(claim.claimed)} ({AUDIT_VERDICTS[claim.verdict]})"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
