"""Specs of a run's pretraining, and the segments that it passes on to the main training."""

from __future__ import annotations

from benchsuite.specs.models.track import RunSpec
from benchsuite.training.build_trainer import SegmentStates, TrainingSpecs
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer


def pretraining_specs(spec: RunSpec) -> TrainingSpecs:
    """Return the specs of a run's pretraining, which has random streams of its own."""
    wanted = spec.pretraining
    changes = {
        "epochs": wanted.epochs,
        "batch_size": wanted.batch_size or spec.protocol.batch_size,
        "optimizer": wanted.optimizer or spec.protocol.optimizer,
        # What pretraining passes on must have learned; only the main training keeps weights.
        "frozen": "none",
        "stages": (),
    }
    return TrainingSpecs(
        architecture=wanted.architecture or spec.architecture,
        protocol=spec.protocol.model_copy(update=changes),
        rule=spec.rule,
        seeds=derive_seeds(spec.seed, stage="pretraining"),
    )


def pretrained_segments(spec: RunSpec, trainer: Trainer) -> SegmentStates:
    """Return the states of the segments that the main training takes over."""
    return {name: trainer.network.segments[name].state_dict() for name in spec.pretraining.keep}
