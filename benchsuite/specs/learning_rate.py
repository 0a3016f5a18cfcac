"""Learning rate schedules, worked out without torch, so that a record can be checked."""

from __future__ import annotations

import math

from benchsuite.specs.models.protocol import ConstantSchedule, CosineSchedule, ProtocolSpec, StepSchedule


def learning_rate_at(protocol: ProtocolSpec, epoch: int) -> float:
    """Return the learning rate of an epoch; epochs count from 0."""
    base, schedule = protocol.optimizer.learning_rate, protocol.schedule
    match schedule:
        case ConstantSchedule():
            return base
        case StepSchedule():
            return base * schedule.factor ** sum(epoch >= at for at in schedule.epochs)
        case CosineSchedule():
            progress = epoch / protocol.epochs
            floor = schedule.final_fraction
            return base * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
