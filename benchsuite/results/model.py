"""Tables as plain, frozen data with numbers as numbers; the site and the terminal both print them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from benchsuite.records.model import RunRecord, RunStatus
from benchsuite.specs.models.claim import MINIMUM_SEEDS

BASELINE_RULE = "backprop"
"""The rule with which gaps and costs are computed."""

READOUT_RULE = "readout_only"
"""The rule that trains the last layer alone: what a network learns without credit in its hidden layers."""

MIN_SEEDS = MINIMUM_SEEDS
"""Fewest seeds for an interval, a rank, a tie or a p-value, as for a claim. Two seeds can agree by chance, and an
interval of width zero would then look certain."""

VersusBest = Literal["best", "tie", "behind"]
"""Comparison with the row of the lowest mean: that row; no significant difference; significantly worse."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its spread and 95 % interval."""

    mean: float
    n: int
    """Number of seeds, or of pairs of seeds."""
    sd: float | None = None
    """Standard deviation over seeds (n - 1 in the denominator); None for one seed."""
    low: float | None = None
    """Lower end of the 95 % t-interval; None for fewer than ``MIN_SEEDS`` seeds."""
    high: float | None = None
    """Upper end of the 95 % t-interval; None for fewer than ``MIN_SEEDS`` seeds."""


@dataclass(frozen=True)
class Difference:
    """A field of the spec in which a row or a table differs from the others."""

    field: str
    """Path in the spec, e.g. ``protocol.optimizer.learning_rate``."""
    value: str
    """Its value in this row or table, as JSON; ``absent`` if there is no such field."""
    usual: str = ""
    """For a row: the value in most rows of the table."""


@dataclass(frozen=True)
class CurvePoint:
    """Mean and range over the seeds of one row at one epoch."""

    epoch: float
    """Number of finished epochs; not an integer if a diagnostic was measured within an epoch."""
    mean: float
    low: float
    """Minimum over seeds."""
    high: float
    """Maximum over seeds."""
    time_s: float | None = None
    """Training time up to this point, mean over seeds; None if not requested."""


@dataclass(frozen=True)
class SegmentCurve:
    """One diagnostic of one segment over training."""

    diagnostic: str
    segment: str | None
    """None for the network as a whole."""
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class SeedRun:
    """One run in a row."""

    run_id: str
    seed: int
    status: RunStatus
    reason: str
    command: str
    superseded: bool
    """True if this row has a later run of the same seed; this run is listed but does not count."""
    counted: bool
    """True if the row's means include it: completed, measured after its last epoch, not superseded."""
    test_error: float | None
    """After the last epoch; None unless the run completed and was measured then."""
    train_error: float | None
    """On the whole training set after the last epoch; None unless completed and measured then."""
    top5_error: float | None
    """On the test set after the last epoch; None unless it counts and has enough classes (``final.TOP5_CLASSES``)."""
    test_curve: dict[int, float] = field(default_factory=dict)
    """Test error by epoch, whatever the status."""
    record: RunRecord | None = field(default=None, repr=False)
    """The record itself, for the run's page; None if only the numbers are kept."""


@dataclass(frozen=True)
class Gap:
    """A row's test error minus the baseline's, paired by seed."""

    difference: Estimate | None
    """As a fraction; None if there is no baseline to compare with."""
    remark: str
    """The row it was compared with, or the reason why there is no difference."""
    p_value: float | None = None
    """Holm's corrected p-value if this comparison is planned, as in ``RuleRow.comparisons``; None for any other."""
    baseline_row: str = ""
    """Id of the row it was compared with."""


@dataclass(frozen=True)
class RowComparison:
    """A planned comparison of a row with another row of its table."""

    against: str
    """Name of the other rule or variant, as the plan has it."""
    against_row: str
    """Id of the other row."""
    difference: Estimate
    """This row's test error minus the other's, paired by seed."""
    p_value: float | None
    """p-value of the paired t-test, corrected by Holm's method; None if too few seeds are shared, or without spread."""
    tested: int
    """Number of tests of the table that the correction is for."""


@dataclass(frozen=True)
class Cost:
    """Time per training step, measured on purpose on an idle device, and relative to the baseline's there."""

    ratio: float | None
    """Median over rounds of the step time relative to the baseline's in the same round; None if it was not measured."""
    remark: str
    """The measurement, or the reason why there is none."""
    step_time_ms: float | None = None
    """Median over rounds."""
    low: float | None = None
    """Smallest ratio of a round."""
    high: float | None = None
    """Largest ratio of a round."""
    training_time_s: float | None = None
    """Step time times the number of steps of the whole training."""


@dataclass(frozen=True)
class Published:
    """A published test error under the same conditions as a row."""

    test_error: float
    """As a fraction."""
    is_bound: bool
    """True if the source says only that the error is not above this value."""
    difference: float | None
    """The row's mean minus the published error; None if the row has no mean, or the value is a bound."""
    remark: str
    """Source, number of runs, and warnings for the reader."""


Mark = Literal["passed", "failed", "noted", "open"]
"""Result of a validity check: passed, failed, a fact that is neither, or not decided."""


@dataclass(frozen=True)
class ValidityCheck:
    """One check of a row."""

    name: str
    word: str
    mark: Mark
    number: float | None
    """The measured number; None if there is none, or if it is infinite."""
    threshold: float | None
    """The number that it is compared with; None if nothing was measured."""
    why: str
    """Origin of the number, or the command that would measure it."""


@dataclass(frozen=True)
class RuleRow:
    """One rule with one configuration on one hardware class: its seeds and their statistics."""

    row_id: str
    """Twelve hexadecimal digits that identify the row in addresses; the same in every build."""
    label: str
    """The variant's name, or the rule's and its differences from other rows of the rule; unique in its table."""
    rule: str
    config: dict[str, Any]
    hardware_class: str
    precision: str
    protocol_differences: tuple[Difference, ...]
    """The protocol fields in which this row differs from most of the table."""
    runs: tuple[SeedRun, ...]
    """Sorted by seed; a superseded run comes before the one that replaced it."""
    total: int
    """Number of seeds that were run."""
    completed: int
    """Number of seeds whose test error counts."""
    failures: tuple[tuple[str, int], ...]
    """Status and number of the other seeds, e.g. ``(("diverged", 2), ("crashed", 1))``."""
    test_error: Estimate | None
    train_error: Estimate | None
    top5_error: Estimate | None
    """On the test set, if all counted runs have it and the data have enough classes (``final.TOP5_CLASSES``)."""
    gap: Gap
    cost: Cost
    images_per_s: float | None
    """Median over counted runs, from their training logs; those that waited for the processor are left out."""
    peak_memory_mib: float | None
    """Median over counted runs."""
    peak_memory_source: str
    train_energy_j: float | None
    """Median over counted runs, if all have it, of the device's energy during training, other processes' included."""
    train_energy_source: str
    curve: tuple[CurvePoint, ...]
    """Test error over epochs, up to the last epoch that all counted runs reached."""
    diagnostics: tuple[SegmentCurve, ...]
    notes: tuple[str, ...]
    """Warnings for a reader who compares this row."""
    rule_sources: tuple[str, ...] = ()
    """The distinct sha256 of the rule's source over all runs; one unless the source was changed in between."""
    variant: str = ""
    """Name of the variant; empty for a rule with the track's settings, and for settings that have no name."""
    tunings: tuple[str, ...] = ()
    """Ids of the tunings that chose the settings, the longest first if their records are at hand; none if published."""
    superseded: bool = False
    """True if a longer tuning of the same search has a row of its own, which is compared instead."""
    changed_settings: tuple[str, ...] = ()
    """Names of the rule's settings that the runs' command changed, beside what the track says and a tuning searched."""
    published: Published | None = None
    """None if no source has the same track, tier, data, network, protocol and rule settings."""
    comparisons: tuple[RowComparison, ...] = ()
    """The planned comparisons of this row; other comparisons have no p-value."""
    validity: tuple[ValidityCheck, ...] = ()
    """The checks that say whether the rule has really learnt; empty only if none was asked for."""
    rank: int | None = None
    """1 for the best and its ties; else 1 + the number of significantly better rows. None if it may not be ranked."""
    unranked_reason: str = ""
    versus_best: VersusBest | None = None
    """None if the row may not be ranked."""

    @property
    def tuned(self) -> bool:
        """True if a tuning has found the settings."""
        return bool(self.tunings)

    def against(self, row_id: str) -> RowComparison | None:
        """Return the planned comparison with another row; None if none is planned."""
        return next((found for found in self.comparisons if found.against_row == row_id), None)

    @property
    def complete(self) -> bool:
        """True if every seed that was run counts."""
        return self.total > 0 and self.completed == self.total

    @cached_property
    def test_errors(self) -> dict[int, float]:
        """The counted test errors by seed index; cached, as a site compares a row with all others of its table."""
        return {run.seed: run.test_error for run in self.runs if run.counted and run.test_error is not None}

    @property
    def is_baseline(self) -> bool:
        """True if this is the rule that others are compared with, and no variant of it."""
        return self.rule == BASELINE_RULE and not self.variant


@dataclass(frozen=True)
class TrackTable:
    """Rows that are comparable: same track, tier, data and network."""

    table_id: str
    """Twelve hexadecimal digits that identify the table in addresses; the same in every build."""
    track: str
    tier: str
    fingerprint: str | None
    """sha256 of the data used; None if no run got as far as loading them."""
    canonical: bool | None
    """True if the files' checksums are the published ones; None if none are published, or no data were loaded."""
    dataset: dict[str, Any]
    dataset_title: str
    architecture: dict[str, Any]
    architecture_title: str
    protocol: dict[str, Any]
    """The protocol of most rows."""
    train_examples: int | None
    test_examples: int | None
    classes: int | None
    parameters: int | None
    """Number of the network's parameters; None if the runs disagree or none got that far."""
    segments: tuple[str, ...]
    """Segments of the network in forward order, as far as known."""
    differences: tuple[Difference, ...]
    """The fields in which this table differs from others of the same track and tier; empty if it is the only one."""
    rows: tuple[RuleRow, ...]
    """Ranked rows first, then the others, each by mean test error."""
    runs: int
    """Number of records in the table."""

    @property
    def has_validity(self) -> bool:
        """True if a check of some row was measured; only then is there a column for the verdict."""
        return any(check.mark != "open" for row in self.rows for check in row.validity)

    @property
    def has_top5_error(self) -> bool:
        """True if any row has a top-5 error; only then is there a column for it."""
        return any(row.top5_error for row in self.rows)
