"""Verdict on whether a row's rule has learnt: scales, references of angles, use of depth, likeness to backprop.

Every check has a word, a number with its threshold, and a sentence that says where the number is from. A check without
measurements says ``not measured``; it never passes by default.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from benchsuite.records.model import RunRecord
from benchsuite.results.model import Mark, ValidityCheck
from benchsuite.specs.models.validity import ValiditySpec

NOT_MEASURED = "not measured"
EXAMPLES, UNITS = "reference_example_fraction", "reference_unit_fraction"
UPDATE_ANGLE = "update_angle_deg"
SCALES = {"activations": "activation_norm", "credits": "credit_norm", "weights": "weight_norm"}
ANGLES = frozenset({"credit_angle_deg", "pre_activation_credit_angle_deg", "one_step_credit_angle_deg"})
"""Diagnostics that are means over the examples that have a true gradient."""
CHECKED = frozenset({EXAMPLES, UNITS, UPDATE_ANGLE, *SCALES.values()})
"""Diagnostics that decide a check."""

_Measured = dict[str, dict[str, dict[int, float | None]]]
_Runs = Sequence[tuple[RunRecord, _Measured]]


@dataclass(frozen=True)
class Validity:
    """The settings of verdicts: thresholds of tracks, and which rules say that they are backprop."""

    thresholds: Mapping[str, ValiditySpec] = field(default_factory=dict)
    """By track; a track that states none has the defaults."""
    claims_backprop: Mapping[str, bool] = field(default_factory=dict)
    """The trait ``hidden_update_is_backprop`` by rule; a rule that is not known is left out."""

    def of(self, track: str) -> ValiditySpec:
        """Return the thresholds of a track."""
        return self.thresholds.get(track, ValiditySpec())


DEFAULT_VALIDITY = Validity()
"""Default thresholds, and no rule known."""


@dataclass(frozen=True)
class _Found:
    """One number and its place."""

    value: float
    segment: str
    epoch: int
    seed: int

    @property
    def place(self) -> str:
        return f"{self.segment} after epoch {self.epoch}, seed {self.seed}"


def checks_of_records(
    records: Sequence[RunRecord], thresholds: ValiditySpec, claims_backprop: bool | None = None
) -> tuple[ValidityCheck, ...]:
    """Return the checks that a row's own records decide, each by its worst seed, segment and epoch.

    Args:
        records: one per seed, whatever their status: a run that diverged shows more than one that did not.
        thresholds: of the track.
        claims_backprop: the rule's trait ``hidden_update_is_backprop``; None if it is not known.

    """
    runs = [(record, _measured(record, CHECKED)) for record in records]
    return (
        *(_scale(name, runs, getattr(thresholds, f"{name.removesuffix('s')}_factor")) for name in SCALES),
        _share("examples", EXAMPLES, runs, thresholds.example_fraction),
        _share("units", UNITS, runs, thresholds.unit_fraction),
        _is_backprop(runs, thresholds.backprop_angle_deg, claims_backprop),
    )


def _measured(record: RunRecord, diagnostics: Set[str]) -> _Measured:
    """Return some diagnostics' values by diagnostic, segment and epoch; undefined ones are None."""
    found: _Measured = {name: {} for name in diagnostics}
    for each in record.diagnostics:
        if each.diagnostic in diagnostics and each.segment is not None:
            found[each.diagnostic].setdefault(each.segment, {})[each.epoch] = each.value
    return found


def _scale(name: str, runs: _Runs, most: float) -> ValidityCheck:
    diagnostic = SCALES[name]
    factors = [found for record, measured in runs for found in _factors(record, measured, diagnostic)]
    if not factors:
        return _not_measured(f"scale of {name}", diagnostic)
    worst = max(factors, key=lambda found: found.value)
    stable = worst.value <= most
    relative = " relative to the readout's" if name == "credits" else ""
    change = "changed without bound" if math.isinf(worst.value) else f"changed by a factor of {worst.value:.3g}"
    return ValidityCheck(
        name=f"scale of {name}",
        word="stable" if stable else f"unstable {name}",
        mark="passed" if stable else "failed",
        number=worst.value if math.isfinite(worst.value) else None,
        threshold=most,
        why=f"{diagnostic}{relative} {change} in {worst.place}",
    )


def _factors(record: RunRecord, measured: _Measured, diagnostic: str) -> Iterator[_Found]:
    """Yield the factor between each value and its segment's start, at least 1; infinite if it is zero or undefined."""
    series = dict(measured[diagnostic])
    relative_to: Mapping[int, float | None] = {}
    if diagnostic != SCALES["weights"] and record.network:
        # Logits start near zero and grow by a factor of 100 in a network that learns well.
        of_readout = series.pop(record.network.segments[-1], {})
        relative_to = of_readout if diagnostic == SCALES["credits"] else {}
    for segment, values in series.items():
        start: float | None = None
        for epoch, value in sorted(values.items()):
            if relative_to:
                reference = relative_to.get(epoch)
                if not reference:
                    continue  # without an error there is no credit whose scale could change
                value = None if value is None else value / reference
            if start is None:
                start = value or None  # a segment that never gets credit has no scale
                continue
            factor = max(value / start, start / value) if value else math.inf
            yield _Found(factor, segment, epoch, record.spec.seed)


def _share(noun: str, diagnostic: str, runs: _Runs, least: float) -> ValidityCheck:
    shares = [
        _Found(value, segment, epoch, record.spec.seed)
        for record, measured in runs
        for segment, values in measured[diagnostic].items()
        for epoch, value in values.items()
        if value is not None
    ]
    name = f"{noun} with a gradient"
    if not shares:
        return _not_measured(name, diagnostic)
    worst = min(shares, key=lambda found: found.value)
    enough = worst.value >= least
    return ValidityCheck(
        name=name,
        word="enough" if enough else f"few {noun} with a gradient",
        mark="passed" if enough else "failed",
        number=worst.value,
        threshold=least,
        why=f"{diagnostic} of {worst.value:.3g} in {worst.place}",
    )


def _is_backprop(runs: _Runs, most: float, claims: bool | None) -> ValidityCheck:
    name = "backprop by another way"
    angles = [
        _Found(value, segment, epoch, record.spec.seed)
        for record, measured in runs
        for segment, values in measured[UPDATE_ANGLE].items()
        if record.network and segment in record.network.segments[:-1]
        for epoch, value in values.items()
        if value is not None
    ]
    if not angles:
        return _not_measured(name, UPDATE_ANGLE)
    last: dict[int, int] = {}
    for angle in angles:
        last[angle.seed] = max(angle.epoch, last.get(angle.seed, 0))
    largest = max(angles, key=lambda found: found.value)
    at_end = max((a for a in angles if a.epoch == last[a.seed]), key=lambda found: found.value)
    always, in_the_end = largest.value <= most, at_end.value <= most
    shown = at_end if in_the_end and not always else largest
    why = f"largest {UPDATE_ANGLE} of {shown.value:.3g} in {shown.place}"
    if always:
        word = "is backprop"
    elif in_the_end:
        word, why = "becomes backprop", f"{why}, from {largest.value:.3g} in {largest.place}"
    else:
        word = "own rule"
    if claims is not None:
        why += f"; its traits say that hidden segments get {'' if claims else 'not '}exactly backprop's gradient"
        word = "not backprop as it claims" if claims and not always else word
    contradicted = claims is not None and claims != always
    mark: Mark = "failed" if contradicted else "noted" if always or in_the_end else "passed"
    return ValidityCheck(name, word, mark, shown.value, most, why)


def _not_measured(name: str, diagnostic: str) -> ValidityCheck:
    why = f"the records have no {diagnostic}; name it in the track's diagnostics.names and run again"
    return ValidityCheck(name, NOT_MEASURED, "open", None, None, why)


def summary_of(checks: Sequence[ValidityCheck]) -> str:
    """Return a row's verdict in a few words: what failed or stands out, else how many checks passed."""
    telling = [check.word for check in checks if check.mark in {"failed", "noted"}]
    if telling:
        return ", ".join(dict.fromkeys(telling))
    unmeasured = sum(check.mark == "open" for check in checks)
    if unmeasured == len(checks):
        return NOT_MEASURED
    return f"{len(checks) - unmeasured} passed, {unmeasured} {NOT_MEASURED}" if unmeasured else "all passed"


def minority_angles(records: Sequence[RunRecord], thresholds: ValiditySpec) -> tuple[str, ...]:
    """Return a sentence for each segment whose angles are over too few examples at some epoch."""
    sentences = []
    shares = [_measured(record, {EXAMPLES})[EXAMPLES] for record in records]
    for segment in dict.fromkeys(name for of_record in shares for name in of_record):
        few = [
            (epoch, value)
            for of_record in shares
            for epoch, value in of_record.get(segment, {}).items()
            if value is not None and value < thresholds.example_fraction
        ]
        measured = (each for record in records for each in record.diagnostics if each.segment == segment)
        if few and any(each.diagnostic in ANGLES for each in measured):
            epoch, value = min(few, key=lambda found: (found[1], found[0]))
            sentences.append(
                f"angles of {segment} are over few examples: after epoch {epoch}, {100 * value:.0f} % have a gradient"
            )
    return tuple(sentences)
