"""``benchsuite claims``: what the papers say, and whether records bear it out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsuite.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    SpecsOption,
    StoreOption,
    library,
    messages,
    output,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchsuite.record.model import RunRecord
    from benchsuite.spec.claims import ClaimCases
    from benchsuite_leaderboard.claim_model import CaseVerdict, ClaimVerdict

COLOURS = {"reproduced": "green", "not_reproduced": "red", "not_enough_records": "dim"}


def claims(
    store: StoreOption = DEFAULT_STORE,
    records: Annotated[
        list[Path] | None,
        typer.Option("--records", help="A folder of records to use instead of the store's; may be repeated."),
    ] = None,
    specs: SpecsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Judge each claim of the papers by records: reproduced, not reproduced, or not enough records."""
    from itertools import chain

    from benchsuite.record.model import RunRecord
    from benchsuite.record.store import RecordStore, read_folder
    from benchsuite_leaderboard.claims import judge

    folders = records or [RecordStore(store).records_folder]
    found = list(chain.from_iterable(read_folder(folder) for folder in folders))
    good = [record for record in found if isinstance(record, RunRecord)]
    for broken in found:
        if not isinstance(broken, RunRecord):
            messages().print(f"left out: {broken.path}: {broken.reason}", markup=False, soft_wrap=True)
    verdicts = judge(laid_out_claims(good, specs), good)
    if as_json:
        print_json([_as_data(verdict) for verdict in verdicts])
        return 0
    for verdict in verdicts:
        _show(verdict)
    counts = Counter(verdict.words for verdict in verdicts)
    output().print(", ".join(f"{count} {words}" for words, count in sorted(counts.items())))
    return 0


def laid_out_claims(records: Iterable[RunRecord], specs: list[Path] | None) -> list[ClaimCases]:
    """Return every claim with the runs that would decide it, as far as there are records of its tracks."""
    from benchsuite.registry.manager import installed_registry
    from benchsuite.spec.claims import lay_out_claims

    cells = {(record.spec.track, record.spec.tier) for record in records}
    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    return lay_out_claims(found, registry, lambda track, tier: (track, tier) in cells)


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
    from benchsuite_leaderboard.claim_words import gap_words, side_words

    sides = " against ".join(side_words(case, side) for side in (case.left, case.right) if side)
    gap = gap_words(case)
    parts = [case.question, sides, gap and f"gap {gap}", case.reason, *case.notes]
    return "; ".join(part for part in parts if part)


def _as_data(verdict: ClaimVerdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "claim": claim.name, "title": claim.title, "statement": claim.statement, "source": claim.source,
        "verdict": verdict.verdict, "tier": verdict.tier, "cases": [_case_as_data(case) for case in verdict.cases],
    }  # fmt: skip


def _case_as_data(case: CaseVerdict) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "tier": case.tier, "question": case.question, "metric": case.comparison.metric, "test": case.comparison.test,
        "direction": case.comparison.direction, "margin": case.comparison.margin,
        "setting": case.comparison.setting or None, "verdict": case.verdict, "reason": case.reason,
        "left": case.left and asdict(case.left), "right": case.right and asdict(case.right),
        "gap": case.gap and asdict(case.gap), "notes": list(case.notes),
    }  # fmt: skip
