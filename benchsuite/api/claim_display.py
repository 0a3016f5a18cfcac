"""Show verdicts on claims and published values: lines for the terminal, plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from benchsuite.api.command_lines import CommandLine
from benchsuite.api.display import Part, counted
from benchsuite.api.tables import published_table
from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.papers.verdict_model import CaseVerdict, ClaimVerdict
from benchsuite.papers.verdict_words import (
    ON_A_COPY,
    copy_words,
    gap_words,
    metric_words,
    missing_words,
    side_words,
    undecided_reasons,
)

COLOURS = {"reproduced": "green", "contradicted": "red", "inconclusive": "yellow", "not_enough_records": "dim"}


ORDER = ("contradicted", "reproduced", "inconclusive", "not_enough_records")
"""Order of verdicts in tables: decided ones first."""


def by_verdict(verdicts: Iterable[ClaimVerdict]) -> list[ClaimVerdict]:
    """Return verdicts with those that say most first; a claim that only a lossy copy decides follows those decided."""

    def place(verdict: ClaimVerdict) -> tuple[int, int]:
        on_copy = ORDER.index(verdict.on_copy.verdict) if verdict.on_copy else len(ORDER)
        return ORDER.index(verdict.verdict), on_copy

    return sorted(verdicts, key=place)


def claim_parts(verdict: ClaimVerdict) -> Iterator[Part]:
    """Yield the lines of one claim: verdict, comparisons, what is missing, and the same on a lossy copy."""
    yield _headline(verdict, f"{verdict.claim.name}: {verdict.claim.title}")
    yield from _details(verdict)
    if verdict.on_copy:
        yield _headline(verdict.on_copy, f"  {ON_A_COPY}: {copy_words(verdict.on_copy)}")
        yield from _details(verdict.on_copy)


def _headline(verdict: ClaimVerdict, text: str) -> Text:
    line = Text()
    line.append(" " * (len(text) - len(text.lstrip())))
    line.append(verdict.words, style=COLOURS[verdict.verdict])
    line.append(f"  {text.lstrip()}")
    if verdict.tier:
        line.append(f" ({verdict.tier} tier)", style="dim")
    return line


def _details(verdict: ClaimVerdict) -> Iterator[Part]:
    indent = 4
    lines = [_line(case) for case in verdict.deciding] if verdict.tier else []
    if verdict.missing:
        lines.append(f"missing {missing_words(verdict.missing)}")
    elif not verdict.tier:
        lines += undecided_reasons(verdict)
    yield from (f"{'':{indent}}{line}" for line in lines)
    if verdict.missing:
        yield CommandLine(verdict.missing.command, indent)


def _line(case: CaseVerdict) -> str:
    sides = " against ".join(side_words(case, side) for side in (case.left, case.right) if side)
    gap = gap_words(case)
    parts = [f"{metric_words(case.comparison)}: {case.question}", sides, gap and f"gap {gap}", case.reason, *case.notes]
    return "; ".join(part for part in parts if part)


def published_parts(values: Sequence[MeasuredValue]) -> list[Part]:
    """Return the table of published values that were measured or tried, and their number."""
    with_runs = [value for value in values if value.run_ids]
    if not values:
        return []
    count = f"{len(with_runs)} of {counted(len(values), 'published value')} with runs"
    return [published_table(with_runs), count] if with_runs else [count]


def claim_as_data(verdict: ClaimVerdict) -> dict[str, Any]:
    """Return one claim and its verdicts as plain data."""
    claim = verdict.claim
    of_claim = {
        "claim": claim.name,
        "title": claim.title,
        "statement": claim.statement,
        "source": claim.source,
    }
    return of_claim | _verdict_as_data(verdict) | {"on_copy": verdict.on_copy and _verdict_as_data(verdict.on_copy)}


def _verdict_as_data(verdict: ClaimVerdict) -> dict[str, Any]:
    return {
        "verdict": verdict.verdict,
        "tier": verdict.tier,
        "missing": verdict.missing and asdict(verdict.missing),
        "stand_ins": dict(verdict.stand_ins),
        "cases": [_case_as_data(case) for case in verdict.cases],
    }


def value_as_data(value: MeasuredValue) -> dict[str, Any]:
    """Return a published value and ours as plain data."""
    return {
        "reference": value.reference,
        "source": value.source,
        "tier": value.tier,
        **value.value.model_dump(mode="json", exclude={"value"}),
        "runs": value.runs,
        "published": value.value.value,
        "measured": value.measured and asdict(value.measured),
        "difference": value.difference,
        "run_ids": list(value.run_ids),
        "remark": value.remark,
        "command": value.command,
    }


def _case_as_data(case: CaseVerdict) -> dict[str, Any]:
    return {
        "tier": case.tier,
        "question": case.question,
        "metric": case.comparison.metric,
        "epoch": case.comparison.epoch,
        "since": case.comparison.since,
        "layers": case.comparison.layers,
        "test": case.comparison.test,
        "direction": case.comparison.direction,
        "margin": case.comparison.margin,
        "setting": case.comparison.setting or None,
        "verdict": case.verdict,
        "reason": case.reason,
        "left": case.left and asdict(case.left),
        "right": case.right and asdict(case.right),
        "gap": case.gap and asdict(case.gap),
        "notes": list(case.notes),
    }
