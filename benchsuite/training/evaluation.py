"""Evaluation of a trainer's network on one of its sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchsuite.credit.batch import Batch
from benchsuite.records.model import SetMetrics
from benchsuite.training.step_sums import count_wrong, count_wrong_top5, widest_float

if TYPE_CHECKING:
    from benchsuite.training.trainer import Trainer


def evaluate(trainer: Trainer, part: str) -> SetMetrics | None:
    """Evaluate on the 'train', 'test' or 'validation' set, in evaluation mode; None if the loss is not finite."""
    trainer.network.eval()
    trainer.rule.eval()
    data, ranks = trainer.data, trainer.ranks
    slices_of = {"train": data.train_slices, "test": data.test_slices, "validation": data.validation_slices}[part]
    slices = slices_of(trainer.protocol.evaluation.batch_size, ranks.rank, ranks.world_size)
    sums = torch.zeros(3, device=data.device, dtype=widest_float(data.device))
    examples = 0
    with torch.no_grad():
        for inputs, targets in slices:
            batch = trainer.with_memory_format(Batch(inputs, targets, trainer.criterion))
            logits = trainer.rule.predict(batch.inputs)  # (batch, outputs)
            sums[0] += trainer.criterion.summed(logits, targets)
            scores = trainer.class_scores(logits)
            sums[1] += count_wrong(scores, targets)
            if data.classes > 5:
                sums[2] += count_wrong_top5(scores, targets)
            examples += len(targets)
    loss, wrong, wrong5, whole = trainer.totals(*sums, examples)
    loss, wrong, wrong5, examples = loss / whole, wrong / whole, wrong5 / whole, int(whole)
    if loss != loss or loss in (float("inf"), float("-inf")):
        return None
    top5 = wrong5 if data.classes > 5 else None
    return SetMetrics(loss=loss, error=wrong, top5_error=top5, examples=examples)
