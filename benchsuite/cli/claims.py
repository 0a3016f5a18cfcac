"""``benchsuite claims``: what the papers say, and whether records bear it out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from benchsuite.cli.options import DEFAULT_STORE, JsonOption, SpecsOption, StoreOption, output, print_json
from benchsuite.cli.sources import RecordsOption, cells_of, laid_out_claims, report_broken

if TYPE_CHECKING:
    from benchsuite.papers.verdict_model import CaseVerdict, ClaimVerdict

COLOURS = {"reproduced": "green", "not_reproduced": "red", "not_enough_records": "dim"}


def claims(
    store: StoreOption = DEFAULT_STORE,
    records: RecordsOption = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Judge each claim of the papers by records: reproduced, not reproduced, or not enough records."""
    from itertools import chain

    from benchsuite.papers.verdicts import judge
    from benchsuite.records.model import RunRecord
    from benchsuite.records.store import RecordStore, read_folder

    folders = records or [RecordStore(store).records_folder]
    found = list(chain.from_iterable(read_folder(folder) for folder in folders))
    good = [record for record in found if isinstance(record, RunRecord)]
    report_broken(broken for broken in found if not isinstance(broken, RunRecord))
    verdicts = judge(laid_out_claims(cells_of(good), specs), good)
    if as_json:
        print_json([_as_data(verdict) for verdict in verdicts])
        return 0
    for verdict in verdicts:
        _show(verdict)
    counts = Counter(verdict.words for verdict in verdicts)
    output().print(", ".join(f"{count} {words}" for words, count in sorted(counts.items())))
    return 0


def _show(verdict: ClaimVerdict) -> None:
    from rich.markup import escape

    where = f" [dim]({verdict.tier} tier)[/]" if verdict.tier else ""
    head = f"[{COLOURS[verdict.verdict]}]{verdict.words:>18}[/]"
    claim = escape(f"{verdict.claim.name}: {verdict.claim.title}")
    output().print(f"{head}  {claim}{where}", soft_wrap=True)
    if verdict.tier:
        for case in verdict.deciding:
            output().print(f"{'':20}{_line(case)}", markup=False, soft_wrap=True)


def _line(case: CaseVerdict) -> str:
    from benchsuite.papers.verdict_words import gap_words, side_words

    sides = " against ".join(side_words(case, side) for side in (case.left, case.right) if side)
    gap = gap_words(case)
    parts = [case.question, sides, gap and f"gap {gap}", case.reason, *case.notes]
    return "; ".join(part for part in parts if part)


def _as_data(verdict: ClaimVerdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "claim": claim.name,
        "title": claim.title,
        "statement": claim.statement,
        "source": claim.source,
        "verdict": verdict.verdict,
        "tier": verdict.tier,
        "cases": [_case_as_data(case) for case in verdict.cases],
    }


def _case_as_data(case: CaseVerdict) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "tier": case.tier,
        "question": case.question,
        "metric": case.comparison.metric,
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
