"""Tables as plain, frozen data with numbers as numbers; the site and the terminal both print from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from benchsuite.records.model import RunRecord, RunStatus

BASELINE_RULE = "backprop"
"""The rule that gaps and costs are relative to."""

VersusBest = Literal["best", "tie", "behind", "unknown"]
"""Against the row with the lowest mean: it; no difference shown; a difference shown; too few shared seeds."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and how well it is known."""

    mean: float
    n: int
    """Seeds, or pairs of seeds, that went in."""
    sd: float | None = None
    """Standard deviation over seeds (n - 1 in the denominator); None for one seed."""
    low: float | None = None
    """Lower end of the 95 % t-interval; None for one seed."""
    high: float | None = None
    """Upper end of it."""


@dataclass(frozen=True)
class Difference:
    """A field of the spec in which a row or a table is not like the others."""

    field: str
    """Path in the spec, e.g. ``protocol.optimizer.learning_rate``."""
    value: str
    """Its value here, as JSON; ``absent`` if there is no such field."""
    usual: str = ""
    """For a row: the value most of the table has."""


@dataclass(frozen=True)
class CurvePoint:
    """The seeds of one row at one epoch."""

    epoch: float
    """Epochs finished; a part of one where a diagnostic was measured between steps."""
    mean: float
    low: float
    """Smallest over seeds."""
    high: float
    """Largest over seeds."""
    time_s: float | None = None
    """Training time on the clock up to here, mean over seeds; None where it is not asked for."""


@dataclass(frozen=True)
class SegmentCurve:
    """One diagnostic of one segment over training."""

    diagnostic: str
    segment: str | None
    """None for the network as a whole."""
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class SeedRun:
    """One run, as a row shows it."""

    run_id: str
    seed: int
    status: RunStatus
    reason: str
    command: str
    superseded: bool
    """A later run of the same seed stands in this row; this one counts for nothing but is still listed."""
    counted: bool
    """Whether its numbers are in the row's means: completed, measured after its last epoch, not superseded."""
    test_error: float | None
    """After the last epoch; None unless the run completed and was measured then."""
    train_error: float | None
    """Of the whole training set after the last epoch; None unless completed and measured then."""
    top5_error: float | None
    """Of the test set after the last epoch; None unless it counts and has classes enough (``final.TOP5_CLASSES``)."""
    test_curve: dict[int, float] = field(default_factory=dict)
    """Test error by epoch, whatever the status."""
    record: RunRecord | None = field(default=None, repr=False)
    """The record itself, for the run's own page; None where only the numbers are kept."""


@dataclass(frozen=True)
class Gap:
    """A row's test error minus the baseline's, paired by seed."""

    difference: Estimate | None
    """As a fraction; None if there is nothing to compare with."""
    remark: str
    """What it was compared with, or why there is none."""
    p_value: float | None = None
    """Of Welch's t-test on all seeds of both rows, paired or not; None where a row has one seed, or no spread."""


@dataclass(frozen=True)
class Cost:
    """Time per training step relative to the baseline's on the same hardware class."""

    ratio: float | None
    """None where costs cannot be compared."""
    remark: str
    """What was compared, or why nothing was."""
    waited: bool = False
    """Nothing was compared since runs had to wait for the processor."""


@dataclass(frozen=True)
class Published:
    """A published test error under a row's own conditions."""

    test_error: float
    """As a fraction."""
    is_bound: bool
    """The source says only that the error is not above it."""
    difference: float | None
    """The row's mean minus it; None where the row has no mean, or the value is a bound."""
    remark: str
    """Source, runs behind it, and what a reader must know."""


@dataclass(frozen=True)
class RuleRow:
    """One rule with one configuration on one hardware class: its seeds and what they say."""

    row_id: str
    """Twelve hexadecimal digits that name the row in addresses; the same in every build."""
    label: str
    """The rule's name, and what tells it from other rows of the same rule; unique in its table."""
    rule: str
    config: dict[str, Any]
    hardware_class: str
    precision: str
    protocol_differences: tuple[Difference, ...]
    """Where this row was trained otherwise than most of the table."""
    runs: tuple[SeedRun, ...]
    """By seed; a superseded run before the one that replaced it."""
    total: int
    """Seeds that were run."""
    completed: int
    """Seeds whose test error counts."""
    failures: tuple[tuple[str, int], ...]
    """What became of the others, e.g. ``(("diverged", 2), ("crashed", 1))``."""
    test_error: Estimate | None
    train_error: Estimate | None
    top5_error: Estimate | None
    """Of the test set, where all counted runs have it and the data have classes enough (``final.TOP5_CLASSES``)."""
    gap: Gap
    cost: Cost
    step_time_ms: float | None
    """Median over counted runs."""
    images_per_s: float | None
    """Median over counted runs."""
    peak_memory_mib: float | None
    """Median over counted runs."""
    peak_memory_source: str
    train_energy_j: float | None
    """Median over counted runs, where all of them have it: of what was counted while they trained, whoever used it."""
    train_energy_source: str
    curve: tuple[CurvePoint, ...]
    """Test error over epochs, as far as all counted runs reach."""
    diagnostics: tuple[SegmentCurve, ...]
    notes: tuple[str, ...]
    """What a reader must know before comparing this row."""
    rule_sources: tuple[str, ...] = ()
    """sha256 of the rule's source, of every run; one unless it was changed in between."""
    published: Published | None = None
    """None where no source has these conditions: track, tier, data, network, protocol and the rule's settings."""
    rank: int | None = None
    """1 for the lowest mean; None if the row may not be ranked."""
    unranked_reason: str = ""
    versus_best: VersusBest | None = None
    """None if the row may not be ranked."""

    @property
    def complete(self) -> bool:
        """Return whether every seed that was run counts."""
        return self.total > 0 and self.completed == self.total

    @property
    def test_errors(self) -> dict[int, float]:
        """Return the test error that counts by seed index."""
        return {run.seed: run.test_error for run in self.runs if run.counted and run.test_error is not None}

    @property
    def is_baseline(self) -> bool:
        """Return whether this is the rule that others are compared with."""
        return self.rule == BASELINE_RULE


@dataclass(frozen=True)
class TrackTable:
    """Rows that may be compared: same track, tier, data and network."""

    table_id: str
    """Twelve hexadecimal digits that name the table in addresses; the same in every build."""
    track: str
    tier: str
    fingerprint: str | None
    """sha256 of the data used; None if no run came as far as loading it."""
    canonical: bool | None
    """Whether the files' checksums are the published ones; None where none are published, or no data were loaded."""
    dataset: dict[str, Any]
    dataset_title: str
    architecture: dict[str, Any]
    architecture_title: str
    protocol: dict[str, Any]
    """The protocol most rows have."""
    train_examples: int | None
    test_examples: int | None
    classes: int | None
    parameters: int | None
    """Learnable numbers of the network; None if the runs disagree or none came so far."""
    segments: tuple[str, ...]
    """Segments of the network in forward order, as far as known."""
    differences: tuple[Difference, ...]
    """What tells this table from others of the same track and tier; empty if it is the only one."""
    rows: tuple[RuleRow, ...]
    """Ranked rows first, then the others, each by mean test error."""
    runs: int
    """Records that went in."""

    @property
    def has_top5_error(self) -> bool:
        """Return whether any row has a top-5 error: only then is there a column for it."""
        return any(row.top5_error for row in self.rows)
