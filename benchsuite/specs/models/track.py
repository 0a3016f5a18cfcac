"""Tracks (data set, network, protocol), suites (tracks, rules, seeds) and runs (one run, fully explicit)."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from benchsuite.specs.models.architecture import ArchitectureSpec
from benchsuite.specs.models.base import TIERS, DocumentedSpec, Name, SpecModel, Tier
from benchsuite.specs.models.comparison_plan import ComparisonPlan
from benchsuite.specs.models.dataset import DatasetSpec, ImagenetDataset
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.pretraining import PretrainingSpec
from benchsuite.specs.models.protocol import DiagnosticsSpec, ProtocolSpec
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.models.validity import ValiditySpec
from benchsuite.specs.models.variant import RowName, RowSpec, refuse_measurement_fields

DEFAULT_SEEDS = 5
"""Seeds of a track or suite that does not say how many. The half width of a paired 95 % interval is 1.24 standard
deviations with 5 seeds, and twice that with 3."""


class RuleSpec(SpecModel):
    """A rule's name and hyperparameters."""

    omit_default_from_hash = frozenset({"title", "tuned_by"})

    name: Name
    title: str = Field(default="", max_length=120)
    """Name of the variant, if the run was asked for as one; never hashed, since it changes no number."""
    tuned_by: str = Field(default="", max_length=64)
    """Id of the tuning that the settings come from, if they do; never hashed, since it changes no number."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters; the plan validates them with the rule's Config and fills in all defaults."""

    @property
    def shown_as(self) -> str:
        """The variant's name, or the rule's if it is none."""
        return self.title or self.name


class RuleSettings(SpecModel):
    """A track's changes for one rule, taken from the rule's paper; cite the source in a comment beside them."""

    rule: Name | None = None
    """Name of the rule, if the settings are a variant's: the row is then named by its place in the mapping."""
    config: dict[str, Any] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_measured_like_other_rows(self) -> RuleSettings:
        if self.rule is not None:
            refuse_measurement_fields(self.protocol)
        return self


class TierChanges(SpecModel):
    """Changes that a tier makes to its track, merged field by field."""

    dataset: dict[str, Any] = Field(default_factory=dict)
    architecture: dict[str, Any] = Field(default_factory=dict)
    protocol: dict[str, Any] = Field(default_factory=dict)
    diagnostics: dict[str, Any] = Field(default_factory=dict)
    pretraining: dict[str, Any] = Field(default_factory=dict)
    tuning: dict[str, Any] = Field(default_factory=dict)
    rules: dict[RowName, RuleSettings] = Field(default_factory=dict)
    """Per-rule settings of this tier, merged over the track's: learning rates found for 400 epochs do not suit 20."""


class TrackSpec(DocumentedSpec):
    """A data set, a network and a protocol: the conditions under which rules are compared."""

    stands_in_for: Name | None = None
    """The track that this one repeats on a lossy copy of its data. A claim about that track is judged on this one too,
    beside the verdict on the data proper."""
    dataset: DatasetSpec
    architecture: ArchitectureSpec
    protocol: ProtocolSpec
    diagnostics: DiagnosticsSpec = DiagnosticsSpec()
    pretraining: PretrainingSpec = PretrainingSpec()
    """A first training whose segments are kept frozen; none if its epochs are 0."""
    tuning: TuningBudget = TuningBudget()
    """Budget of `benchsuite tune`, the same for all rules."""
    rules: dict[RowName, RuleSettings] = Field(default_factory=dict)
    """Per-rule settings, and variants: further rows of a rule under names of their own, in a file also as a list. A
    rule that is not named here runs with the track's settings."""
    tiers: dict[Tier, TierChanges] = Field(default_factory=dict)
    """Changes per tier; 'paper' is the unchanged track unless it is given here."""
    comparisons: ComparisonPlan = ComparisonPlan()
    """The comparisons that are tested; no part of a run, so changing them makes no run anew."""
    validity: ValiditySpec = ValiditySpec()
    """Thresholds of the checks that say whether a rule has really learnt; no part of a run either."""


class SuiteCells(SpecModel):
    """All pairs of these tracks and rules."""

    tracks: tuple[Name, ...] = Field(min_length=1)
    rules: tuple[RowSpec, ...] = Field(min_length=1)
    tiers: tuple[Tier, ...] = Field(default=TIERS, min_length=1)
    """Tiers that have these cells; all unless given. Networks that no CPU trains in time belong to none for laptops."""


class SuiteSpec(DocumentedSpec):
    """Tracks x rules x seeds under one name, or a list of such products if not every rule belongs on every track."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["tracks", "rules"], "properties": {"cells": False}},
                {"required": ["cells"], "properties": {"tracks": False, "rules": False}},
            ]
        }
    )

    tracks: tuple[Name, ...] = Field(default=(), min_length=1)
    rules: tuple[RowSpec, ...] = Field(default=(), min_length=1)
    """Names of rules, and variants; a variant of the suite or of the track may also be named alone."""
    cells: tuple[SuiteCells, ...] = Field(default=(), min_length=1)
    """Used instead of ``tracks`` and ``rules``. A track in several cells gets the rules of all of them."""
    seeds: int = Field(default=DEFAULT_SEEDS, gt=0, le=1000)
    """Number of seeds: indices 0 to seeds-1. At one index all rules share network and data order."""
    tier: Tier = "quick"
    """Default tier, unless the command names another."""

    @model_validator(mode="after")
    def _one_form_and_all_of_it(self) -> SuiteSpec:
        missing = [name for name in ("tracks", "rules") if not getattr(self, name)]
        if not self.cells and missing:
            raise ValueError(f"{' and '.join(missing)} missing; give tracks and rules, or cells: a list of both")
        if self.cells and len(missing) < 2:
            raise ValueError(
                "give either cells or tracks and rules; move the tracks and rules beside cells into its list"
            )
        return self


class RunSpec(SpecModel):
    """One run, fully specified; this is hashed, executed and recorded."""

    track: Name
    tier: Tier
    dataset: DatasetSpec
    architecture: ArchitectureSpec
    protocol: ProtocolSpec
    diagnostics: DiagnosticsSpec
    pretraining: PretrainingSpec = PretrainingSpec()
    rule: RuleSpec
    hardware: HardwareSpec
    seed: int = Field(ge=0, lt=2**31)

    omit_default_from_hash = frozenset({"pretraining"})

    @property
    def holds_out(self) -> int:
        """Number of training examples that are not learned and that errors are measured on."""
        if isinstance(self.dataset, ImagenetDataset):
            return 0
        return self.dataset.validation_examples or self.dataset.drawn_examples

    @property
    def has_test(self) -> bool:
        """False for a run that never reads the test set, as in tuning."""
        return isinstance(self.dataset, ImagenetDataset) or not self.dataset.withhold_test
