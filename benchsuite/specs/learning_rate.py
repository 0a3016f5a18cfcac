"""Learning rate schedules, worked out without torch, so that a record can be checked."""

from __future__ import annotations

import math

from benchsuite.specs.models.protocol import ConstantSchedule, CosineSchedule, ProtocolSpec, StepSchedule


def learning_rate_at(protocol: ProtocolSpec, epoch: int) -> float:
    """Return the learning rate of an epoch; epochs count from 0. The schedule runs over each stage anew."""
    stage, schedule = protocol.stage_at(epoch), protocol.schedule
    base = stage.optimizer.learning_rate
    match schedule:
        case ConstantSchedule():
            return base
        case StepSchedule():
            return base * schedule.factor ** sum(epoch - stage.first >= at for at in schedule.epochs)
        case CosineSchedule():
            progress = (epoch - stage.first) / stage.epochs
            floor = schedule.final_fraction
            return base * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
