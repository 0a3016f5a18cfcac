"""Compare a record with the record of a repeated run: the differences, and the tolerances for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchsuite.records.model import RunRecord, SetMetrics

MUST_BE_EQUAL = ("benchsuite", "torch", "numpy", "python", "rule_source_hash", "plugin_source_hashes")
"""Fields of the environment that must be equal before equal numbers are expected."""


@dataclass(frozen=True)
class Tolerances:
    """Allowed differences of final numbers if hardware or versions differ; otherwise no difference is allowed."""

    error: float = 0.01
    """For test and train error after the last epoch, as a fraction. Training is chaotic: single epochs differ more."""


@dataclass(frozen=True)
class ValueDifference:
    """One field with two different values."""

    field: str
    recorded: Any
    again: Any
    allowed: float | None = None
    """The tolerance; None if the values had to be equal."""

    def __str__(self) -> str:
        """Return one line with the field, both values and the tolerance."""
        within = "" if self.allowed is None else f" (at most {self.allowed:g} apart)"
        return f"{self.field}: recorded {self.recorded!r}, now {self.again!r}{within}"


@dataclass(frozen=True)
class Comparison:
    """The result of comparing a repeated run with its record."""

    changed: tuple[ValueDifference, ...]
    """Hardware and versions that differ from the record's; if there are none, equal numbers are expected."""
    differences: tuple[ValueDifference, ...]
    """The values that should have been the same and are not."""

    @property
    def expects_equality(self) -> bool:
        """True if every number had to be the same."""
        return not self.changed

    @property
    def agrees(self) -> bool:
        """True if the record is confirmed."""
        return not self.differences


def compare(recorded: RunRecord, again: RunRecord, tolerances: Tolerances | None = None) -> Comparison:
    """Compare the measurements of two runs of one spec; their times are not compared.

    With the same hardware class, precision, versions and rule's source, every number must be equal. Otherwise the data,
    the seeds, the network and the status must be, and the final errors within ``tolerances``.
    """
    changed = tuple(_changed(recorded, again))
    found = [d for field in ("status", "seeds", "data", "network") for d in _differ(field, recorded, again)]
    if changed:
        found += _final_errors(recorded, again, tolerances or Tolerances())
    else:
        found += [
            d
            for field in ("pretraining", "epochs", "diagnostics", "step_diagnostics")
            for d in _differ(field, recorded, again)
        ]
    return Comparison(changed, tuple(found))


def _changed(recorded: RunRecord, again: RunRecord) -> Iterator[ValueDifference]:
    for part, fields in (
        ("hardware", ("hardware_class", "precision", "step", "compiled")),
        ("environment", MUST_BE_EQUAL),
    ):
        for field in fields:
            before, now = getattr(getattr(recorded, part), field), getattr(getattr(again, part), field)
            if before != now:
                yield ValueDifference(f"{part}.{field}", before, now)


TIMES = frozenset({"train_time_s", "images_per_s"})


def _differ(field: str, recorded: RunRecord, again: RunRecord) -> Iterator[ValueDifference]:
    one, other = (record.model_dump(mode="json", include={field})[field] for record in (recorded, again))
    yield from _walk(field, one, other)


def _walk(path: str, one: Any, other: Any) -> Iterator[ValueDifference]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted((one.keys() | other.keys()) - TIMES):
            yield from _walk(f"{path}.{key}", one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _walk(f"{path}[{index}]", left, right)
    elif one != other:
        lengths = isinstance(one, list) and isinstance(other, list)
        yield ValueDifference(
            path, f"{len(one)} values" if lengths else one, f"{len(other)} values" if lengths else other
        )


def _final_errors(recorded: RunRecord, again: RunRecord, tolerances: Tolerances) -> Iterator[ValueDifference]:
    names: tuple[tuple[str, Literal["test", "train"]], ...] = (("final_test", "test"), ("final_train", "train"))
    for name, part in names:
        before, now = _last_measured(recorded, part), _last_measured(again, part)
        if before is None or now is None:
            if before is not now:
                yield ValueDifference(name, before and before.error, now and now.error)
        elif abs(before.error - now.error) > tolerances.error:
            yield ValueDifference(f"{name}.error", before.error, now.error, tolerances.error)


def _last_measured(record: RunRecord, part: Literal["test", "train"]) -> SetMetrics | None:
    """Return the last measurement of a run, however it ended; for a completed run that is its result."""
    measured = ((epoch.test if part == "test" else epoch.train) for epoch in reversed(record.epochs))
    return next((found for found in measured if found is not None), None)
