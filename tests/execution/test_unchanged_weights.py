"""Oracle: a learning rate that no weight feels."""

from __future__ import annotations

import pytest

from ..small_runs import MakeRun, MakeSpec


@pytest.mark.parametrize(("rate", "noticed"), [(1e-300, True), (0.1, False)])
def test_a_run_in_which_no_weight_changes_says_so(
    make_spec: MakeSpec, make_run: MakeRun, caplog: pytest.LogCaptureFixture, rate: float, noticed: bool
) -> None:
    """Catches a rule that forgot its gradients, whose run completes at the error of chance without a word."""
    record = make_run(make_spec(protocol={"optimizer": {"kind": "sgd", "learning_rate": rate}})).execute()
    assert record.status == "completed"
    assert any("no weight of the network changed" in remark for remark in record.remarks) == noticed
    assert ("no weight of the network changed" in caplog.text) == noticed
