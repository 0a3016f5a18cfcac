"""Judge claims of papers by records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, overload

from rich.text import Text

from benchsuite.api.display import Displayed, Part
from benchsuite.api.options import PathLike, Paths
from benchsuite.api.records import as_records
from benchsuite.api.workspace import open_workspace
from benchsuite.papers.claim_cases import expand_claims
from benchsuite.papers.verdict_model import CaseVerdict, ClaimVerdict
from benchsuite.papers.verdict_words import (
    ON_A_COPY,
    copy_words,
    gap_words,
    missing_words,
    side_words,
    undecided_reasons,
)
from benchsuite.papers.verdicts import judge
from benchsuite.records.model import RunRecord

COLOURS = {"reproduced": "green", "contradicted": "red", "inconclusive": "yellow", "not_enough_records": "dim"}


class ClaimVerdicts(Displayed, Sequence[ClaimVerdict]):
    """Verdicts on claims, sorted by the claim's name; ``left_out`` has a message per claim that could not be read."""

    def __init__(self, verdicts: Iterable[ClaimVerdict], left_out: Iterable[str] = ()) -> None:
        self._verdicts = tuple(verdicts)
        self.left_out = tuple(left_out)

    def __len__(self) -> int:
        """Return the number of claims."""
        return len(self._verdicts)

    @overload
    def __getitem__(self, index: int) -> ClaimVerdict: ...
    @overload
    def __getitem__(self, index: slice) -> ClaimVerdicts: ...
    def __getitem__(self, index: int | slice) -> ClaimVerdict | ClaimVerdicts:
        """Return one verdict, or some of them."""
        return ClaimVerdicts(self._verdicts[index]) if isinstance(index, slice) else self._verdicts[index]

    def __iter__(self) -> Iterator[ClaimVerdict]:
        """Iterate over the verdicts."""
        return iter(self._verdicts)

    def __repr__(self) -> str:
        """Return the number of claims per verdict, in one line."""
        return f"<ClaimVerdicts: {self._counts()}>"

    def parts(self) -> Sequence[Part]:
        """Return a line for each claim, the deciding comparisons below it, the counts, and what was left out."""
        return [*(part for verdict in self for part in _parts_of(verdict)), self._counts(), *self.left_out]

    def _counts(self) -> str:
        counts = Counter(verdict.words for verdict in self)
        return ", ".join(f"{count} {words}" for words, count in sorted(counts.items()))

    def as_data(self) -> list[dict[str, Any]]:
        """Return all as plain data, as ``benchsuite claims --json`` prints it."""
        return [_as_data(verdict) for verdict in self]


def claims(records: Iterable[RunRecord] | PathLike, *, specs: Paths = None) -> ClaimVerdicts:
    """Judge each claim of the papers by records: reproduced, contradicted, inconclusive, or not enough records.

    A comparison is reproduced if the whole 95 % interval of the difference lies where the claim says, contradicted if
    all of it lies elsewhere, and inconclusive if it is on both sides of the limit.

    Args:
        records: records of runs, or a folder of records.
        specs: folders of your own specs, with your own claims.

    Returns:
        One verdict per claim, with its numbers and runs. An undecided claim has in ``.missing`` the runs that would
        decide it and the command that makes them; ``.on_copy`` is the verdict on a lossy copy of the data. A claim
        that is wrong, or whose track is, is named in ``.left_out``; the others are judged.

    Raises:
        SpecError: if one of the folders does not exist.

    Example:
        >>> import benchsuite as bs
        >>> verdicts = bs.claims([])
        >>> {verdict.verdict for verdict in verdicts}
        {'not_enough_records'}

    """
    found = as_records(records)
    cells = {(record.spec.track, record.spec.tier) for record in found}
    workspace = open_workspace(specs)
    left_out: list[str] = []
    expanded = expand_claims(
        workspace.library, workspace.registry, lambda track, tier: (track, tier) in cells, left_out.append
    )
    return ClaimVerdicts(judge(expanded, found), left_out)


def _parts_of(verdict: ClaimVerdict) -> Iterator[Part]:
    yield _headline(verdict, f"{verdict.claim.name}: {verdict.claim.title}")
    yield from _details(verdict)
    if verdict.on_copy:
        yield _headline(verdict.on_copy, f"{ON_A_COPY}: {copy_words(verdict.on_copy)}")
        yield from _details(verdict.on_copy)


def _headline(verdict: ClaimVerdict, text: str) -> Text:
    line = Text()
    line.append(f"{verdict.words:>18}", style=COLOURS[verdict.verdict])
    line.append(f"  {text}")
    if verdict.tier:
        line.append(f" ({verdict.tier} tier)", style="dim")
    return line


def _details(verdict: ClaimVerdict) -> Iterator[Part]:
    lines = [_line(case) for case in verdict.deciding] if verdict.tier else undecided_reasons(verdict)
    if verdict.missing:
        lines += [f"missing {missing_words(verdict.missing)}", verdict.missing.command]
    yield from (f"{'':20}{line}" for line in lines)


def _line(case: CaseVerdict) -> str:
    sides = " against ".join(side_words(case, side) for side in (case.left, case.right) if side)
    gap = gap_words(case)
    parts = [case.question, sides, gap and f"gap {gap}", case.reason, *case.notes]
    return "; ".join(part for part in parts if part)


def _as_data(verdict: ClaimVerdict) -> dict[str, Any]:
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


def _case_as_data(case: CaseVerdict) -> dict[str, Any]:
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
