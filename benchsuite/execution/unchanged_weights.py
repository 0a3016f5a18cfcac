"""Say when training leaves the network as it was: such a run completes, at the error of chance."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from benchsuite.execution.state import RunState
from benchsuite.training.step_sums import widest_float
from benchsuite.training.trainer import Trainer

logger = logging.getLogger("benchsuite.execution")

UNCHANGED = "no weight of the network changed in the first epoch; does the rule give any parameter a gradient?"


class UnchangedWeights:
    """Comparison of the network's weights before the first epoch, of training or of pretraining, and after it."""

    def __init__(self, run: RunState, trainer: Trainer) -> None:
        self.run = run
        self.before = _sums(trainer) if trainer.epoch == 0 and trainer.learning_rate else None

    def look(self, trainer: Trainer) -> None:
        """After the first epoch, note in the record and warn if no weight has changed; later do nothing."""
        before, self.before = self.before, None
        if before is None or not torch.equal(before, _sums(trainer)):
            return
        self.run.progress.remarks.append(UNCHANGED)
        if self.run.ranks.is_rank0:
            logger.warning("%s: %s", self.run.identity.run_id, UNCHANGED)


@torch.no_grad()
def _sums(trainer: Trainer) -> Tensor:
    """Return two sums per weight, which hardly stay the same while it changes."""
    wide = widest_float(trainer.data.device)
    weights = [weight.to(wide) for weight in trainer.network.parameters()]
    return torch.stack([total for weight in weights for total in (weight.sum(), weight.square().sum())])
