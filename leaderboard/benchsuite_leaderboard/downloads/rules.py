"""Rules as downloadable data: declared traits and audit findings."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite.results.formatting import number
from benchsuite_leaderboard.downloads.formats import DataTable, Value
from benchsuite_leaderboard.rules import AUDIT_VERDICTS, TRAIT_WORDS, RulePage


def rules_data(rules: Iterable[RulePage]) -> DataTable:
    """Return the list of rules with declared traits and audit findings."""
    rules = list(rules)
    columns = ["rule", "tracks", "runs", "completed"]
    for trait in TRAIT_WORDS:
        columns += [f"{trait}_declared", f"{trait}_verdict"]
    rows: list[tuple[Value, ...]] = []
    for page in rules:
        found: list[Value] = [page.name, page.tracks, page.runs, page.completed]
        for name in TRAIT_WORDS:
            checked = page.traits.get(name)
            found += [page.declared(name), checked.verdict if checked else None]
        rows.append(tuple(found))
    printed = tuple((p.name, str(p.tracks), *(_checked_words(p, name) for name in TRAIT_WORDS)) for p in rules)
    heads = ("Rule", "Tracks", *(words for words, _ in TRAIT_WORDS.values()))
    return DataTable("Rules: what they declare, and what the audit found", tuple(columns), tuple(rows), heads, printed)


def audit_data(page: RulePage) -> DataTable:
    """Return the audit's findings on one rule."""
    columns = (
        "trait",
        "declared",
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
    for name, checked in page.traits.items():
        seen = checked.strongest
        strongest = (
            (seen.value, checked.threshold, seen.network, seen.where) if seen else (None, checked.threshold, None, None)
        )
        rows.append(
            (
                name,
                checked.declared,
                checked.shown,
                checked.verdict,
                *strongest,
                checked.measure,
                checked.reason or None,
            )
        )
        shown = "–" if checked.shown is None else _yes(checked.shown)
        value = "–" if seen is None else number(seen.value)
        words = TRAIT_WORDS[name][0] if name in TRAIT_WORDS else name
        printed.append((words, _yes(checked.declared), shown, AUDIT_VERDICTS[checked.verdict], value))
    heads = ("Trait", "Declared", "Shown", "Verdict", "Largest value")
    return DataTable(f"Audit of {page.name}", columns, tuple(rows), heads, tuple(printed))


def _checked_words(page: RulePage, trait: str) -> str:
    declared, checked = page.declared(trait), page.traits.get(trait)
    if declared is None:
        return "–"
    return f"{_yes(declared)} ({AUDIT_VERDICTS[checked.verdict] if checked else 'not audited'})"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
