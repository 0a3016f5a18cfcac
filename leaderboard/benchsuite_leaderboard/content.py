"""Everything that pages about several tracks are made of, and the figures that describe the site as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from benchsuite.papers.measured_values import MeasuredValue
from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.records.audit import RuleAudit
from benchsuite.results.board_plan import BoardPlan, RuleWords
from benchsuite.results.model import TrackTable
from benchsuite.results.tuning_summary import TuningTable
from benchsuite_leaderboard.arrivals import Arrival
from benchsuite_leaderboard.matrix import rules_of
from benchsuite_leaderboard.names import RuleNames
from benchsuite_leaderboard.papers_list import Paper, papers_of_site
from benchsuite_leaderboard.remarks import RowRemarks
from benchsuite_leaderboard.study_tables import StudyTable


@dataclass(frozen=True)
class SiteContent:
    """Content of the site; curves of the tables have few points, and their runs no records."""

    tables: Sequence[TrackTable] = ()
    """Tables of all tracks, from ``summarize``."""
    broken: Sequence[tuple[str, str]] = ()
    """Unusable files to list, as (name to show, reason)."""
    studies: Sequence[StudyTable] = ()
    claims: Sequence[ClaimVerdict] = ()
    values: Sequence[MeasuredValue] = ()
    """Published values beside ours."""
    published: Mapping[str, int] = field(default_factory=dict)
    """Number of values, measured or not, of each file of published values."""
    audits: Sequence[RuleAudit] = ()
    tunings: Sequence[TuningTable] = ()
    remarks: RowRemarks = field(default_factory=dict)
    """Texts of remarks by table and row."""
    arrivals: Sequence[Arrival] = ()
    board: BoardPlan | None = None
    """The planned tasks of the headline board."""
    stated: Mapping[str, RuleWords] = field(default_factory=dict)
    """Rules' own words, by name."""

    @cached_property
    def names(self) -> RuleNames:
        """Return the names of rules."""
        return RuleNames(self.stated)

    @cached_property
    def rules(self) -> list[str]:
        """Return the rules that have a page: those that were run, audited or are installed, the baseline first."""
        run = rules_of(self.tables)
        return [*run, *sorted(({audit.rule for audit in self.audits} | set(self.stated)) - set(run))]

    @cached_property
    def papers(self) -> list[Paper]:
        """Return the papers that are cited."""
        return papers_of_site(self.stated, self.claims, self.values)

    @property
    def tracks(self) -> list[str]:
        """Return the names of all tracks with records."""
        return sorted({table.track for table in self.tables})

    @property
    def statuses(self) -> list[tuple[str, int]]:
        """Return the number of records by status."""
        counts = Counter(run.status for table in self.tables for row in table.rows for run in row.runs)
        return sorted(counts.items())

    @property
    def days(self) -> list[str]:
        """Return the days on which runs ended, the latest first."""
        return sorted({arrival.day for arrival in self.arrivals}, reverse=True)

    @property
    def commits(self) -> list[str]:
        """Return the commits of the suite that made the latest day's records, shortened."""
        latest = self.days[:1]
        return sorted({a.commit[:12] for a in self.arrivals if a.day in latest and a.commit})

    @property
    def hardware(self) -> list[tuple[str, int]]:
        """Return the number of records by hardware class, the commonest first."""
        counts: Counter[str] = Counter()
        for arrival in self.arrivals:
            counts[arrival.hardware_class] += arrival.runs
        return sorted(counts.items(), key=lambda each: (-each[1], each[0]))

    @property
    def verifications(self) -> list[tuple[str, int]]:
        """Return the number of records by verification."""
        counts: Counter[str] = Counter()
        for arrival in self.arrivals:
            counts[arrival.verification] += arrival.runs
        return sorted(counts.items())
