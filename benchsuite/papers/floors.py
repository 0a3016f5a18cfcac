"""Check whether the networks that a verdict is about were trained well enough to tell."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.papers.claim_cases import Case, FloorArm
from benchsuite.papers.evidence import Pool, RecordIndex
from benchsuite.records.model import RunRecord
from benchsuite.results.final import final_error, final_train_error
from benchsuite.results.formatting import percent
from benchsuite.results.statistics import estimate

TRAINED_TOO_LITTLE = "trained too little to tell"


@dataclass(frozen=True)
class MissedFloor:
    """A floor that records do not show to be reached."""

    reason: str
    trained_too_little: bool
    """True if the reference was measured and is above the floor; False if it lacks records."""


def missed_floor(case: Case, pool: Pool, index: RecordIndex, minimum: int) -> MissedFloor | None:
    """Return the first floor of a case that its records do not reach, or None.

    The reference's mean counts over all its seeds on the data that the case is judged on, whatever the machine.

    Args:
        case: the case, with its floors.
        pool: the records that the case is judged on.
        index: all records.
        minimum: number of seeds that the reference needs.

    """
    for each in case.floors:
        floor, arm = each.floor, each.arm
        errors = reference_errors(each, pool, index)
        measured = [error for error in errors.values() if error is not None]
        name = f"{arm.rule}'s {floor.metric.replace('_', ' ')} on {arm.track}"
        if len(measured) < max(minimum, len(errors)):
            reason = f"{name} must be known: {len(measured)} of {max(minimum, len(errors))} seeds"
            return MissedFloor(reason, trained_too_little=False)
        mean = estimate(measured)
        if mean is None or mean.mean > each.at_most:
            found = percent(mean.mean if mean else None)
            reason = f"{TRAINED_TOO_LITTLE}: {name} is {found} %; at most {100 * each.at_most:g} % is needed"
            return MissedFloor(reason, trained_too_little=True)
    return None


def reference_errors(floor: FloorArm, pool: Pool, index: RecordIndex) -> dict[int, float | None]:
    """Return the reference's error by seed index, on the pool's data; None for a seed without one."""
    known = pool.fingerprints.get(floor.arm.track)
    newest: dict[int, RunRecord] = {
        record.spec.seed: record
        for record in index.runs_of(floor.arm)
        if record.data is None or record.data.fingerprint == known
    }
    final = final_error if floor.floor.metric == "test_error" else final_train_error
    return {seed: final(record) if record.status == "completed" else None for seed, record in newest.items()}
