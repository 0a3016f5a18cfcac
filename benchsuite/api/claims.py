"""Judge claims of papers by records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, overload

from benchsuite.api.claim_display import by_verdict, claim_as_data, claim_parts, published_parts, value_as_data
from benchsuite.api.display import Displayed, Part
from benchsuite.api.options import PathLike, Paths
from benchsuite.api.records import as_records
from benchsuite.api.workspace import open_on_paper
from benchsuite.papers.claim_cases import expand_claims
from benchsuite.papers.measured_values import MeasuredValue, compare_with_published
from benchsuite.papers.published import published_numbers
from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.papers.verdicts import judge
from benchsuite.records.model import RunRecord
from benchsuite.specs.models.base import Tier


class ClaimVerdicts(Displayed, Sequence[ClaimVerdict]):
    """Verdicts on claims, sorted by the claim's name.

    Attributes:
        left_out: a message per claim or published value that could not be read.
        published: every published value, beside ours where it was measured.

    """

    def __init__(
        self,
        verdicts: Iterable[ClaimVerdict],
        left_out: Iterable[str] = (),
        published: Iterable[MeasuredValue] = (),
    ) -> None:
        self._verdicts = tuple(verdicts)
        self.left_out = tuple(left_out)
        self.published = tuple(published)

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
        """Return the lines of each claim, decided ones first, published values and ours, and last the counts."""
        claims = [part for verdict in by_verdict(self) for part in claim_parts(verdict)]
        return [*claims, *self.published_parts(), *self.left_out, self._counts()]

    def matching(self, text: str) -> ClaimVerdicts:
        """Return the verdicts on claims whose name fits a pattern, or whose name or title contains a text."""
        wanted = text.casefold()

        def fits(verdict: ClaimVerdict) -> bool:
            name = verdict.claim.name
            return fnmatchcase(name, wanted) or wanted in name or wanted in verdict.claim.title.casefold()

        return ClaimVerdicts(filter(fits, self), self.left_out, self.published)

    def published_parts(self) -> Sequence[Part]:
        """Return the table of published values that were measured or tried, and their number."""
        return published_parts(self.published)

    def _counts(self) -> str:
        counts = Counter(verdict.words for verdict in self)
        return ", ".join(f"{count} {words}" for words, count in sorted(counts.items()))

    def published_as_data(self) -> list[dict[str, Any]]:
        """Return every published value with ours as plain data, as ``claims --published --json`` prints it."""
        return [value_as_data(value) for value in self.published]

    def as_data(self) -> list[dict[str, Any]]:
        """Return all as plain data, as ``benchsuite claims --json`` prints it."""
        return [claim_as_data(verdict) for verdict in self]


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
        that is wrong, or whose track is, is named in ``.left_out``; the others are judged. ``.published`` has every
        published value beside ours, in the published unit.

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
    catalogue, library = open_on_paper(specs)
    left_out: list[str] = []

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    expanded = expand_claims(library, catalogue, is_wanted, left_out.append)
    numbers = published_numbers(library, catalogue, is_wanted, left_out.append)
    published = compare_with_published(numbers, found)
    catalogue.store()
    return ClaimVerdicts(judge(expanded, found), left_out, published)
