"""Oracle: the same run in fp32, from which one in fp64 may differ by rounding only; and torch's dtypes."""

from __future__ import annotations

import pytest
import torch

from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec


@pytest.mark.parametrize(
    ("rule", "rounding"),
    [
        ("backprop", 1e-4),
        ("direct_feedback_alignment", 1e-4),
        ("kolen_pollack", 1e-4),
        # Rounding decides the signs of weights near zero.
        ("sign_symmetry", 2e-3),
        # Its noise is drawn in the weights' format, so that it is other noise in fp64.
        ("weight_mirror", 1e-2),
    ],
)
def test_a_run_in_fp64_is_float64_throughout_and_starts_where_fp32_does(
    make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, rule: str, rounding: float
) -> None:
    """Catches data, weights, feedback or moments that stay float32, and other draws than those of fp32."""
    seen: set[torch.dtype] = set()
    train_epoch = Trainer.train_epoch

    def watched(self: Trainer, deadline: float | None = None) -> object:
        metrics = train_epoch(self, deadline)
        moments = [t for state in self.optimizer.state.values() for t in state.values() if t.dim()]
        batch, _ = next(self.data.train_slices(4))
        tensors = [batch, *self.network.parameters(), *self.rule.state_dict().values(), *moments]
        seen.update(t.dtype for t in tensors if isinstance(t, torch.Tensor) and t.is_floating_point())
        return metrics

    single = make_run(make_spec(rule, protocol={"epochs": 1}), fresh=True).execute()
    monkeypatch.setattr(Trainer, "train_epoch", watched)
    spec = make_spec(rule, protocol={"epochs": 1}, hardware={"precision": "fp64"})
    double = make_run(spec, fresh=True).execute()
    assert (single.status, double.status, double.hardware.precision) == ("completed", "completed", "fp64"), (
        double.traceback
    )
    assert seen == {torch.float64}
    losses = [record.epochs[0].running_loss for record in (single, double)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=rounding)
