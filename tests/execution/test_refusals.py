"""Oracle: what torch's batch norm and low-precision products do, known on paper before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

import benchsuite as bs
from benchsuite.api.planned import Plan

NORMED = {"architecture.defaults.norm": "batch", "dataset.train_limit": 101, "protocol.batch_size": 20}


def planned(rules: str = "backprop", track: str = "digits-fc", **changes: Any) -> Plan:
    return bs.plan(track, rules=rules, seeds=1, set={name.replace("__", "."): v for name, v in changes.items()})


def test_a_rule_whose_credit_bf16_would_decide_is_refused_there_and_only_there() -> None:
    """Catches a trait that nothing asks for: the run would be made, and its noise recorded as a result."""
    for precision in ("fp32", "tf32", "bf16"):
        plan = planned("node_perturbation,backprop", hardware__precision=precision)
        refused = [pair.rule for pair in plan.refused]
        assert refused == (["node_perturbation"] if precision == "bf16" else [])
    (pair,) = plan.refused
    assert "needs products in tf32 or finer" in str(pair)
    assert "hardware.precision is bf16" in str(pair)


def test_a_run_refused_for_its_number_format_is_refused_by_run_too_without_another_track(tmp_path: Any) -> None:
    """Catches a hint to tracks that the same hardware would refuse."""
    results = bs.run(
        "digits-fc",
        rules="node_perturbation",
        seeds=1,
        tier="smoke",
        set={"hardware.precision": "bf16"},
        store=tmp_path,
        tracking_uri="none",
    )
    assert len(results.records) == 0
    (pair,) = results.refused
    assert pair.fitting == ()


def test_a_last_batch_of_one_is_refused_under_batch_norm_and_the_remedy_works() -> None:
    """Catches a plan that refuses nothing, after which every run crashes in torch."""
    with pytest.raises(bs.SpecError, match=r"dense1: batch norm.*protocol.last_batch: drop"):
        planned(**NORMED)
    assert planned(**NORMED, protocol__last_batch="drop").runs
    assert planned(**(NORMED | {"dataset.train_limit": 102})).runs
    assert planned(**(NORMED | {"architecture.defaults.norm": "none"})).runs


def test_batches_of_one_are_refused_whatever_the_last_is() -> None:
    with pytest.raises(bs.SpecError, match=r"protocol\.batch_size 1 makes such batches"):
        planned(**(NORMED | {"protocol.batch_size": 1}), protocol__last_batch="drop")


def test_a_norm_over_positions_takes_a_last_batch_of_one() -> None:
    """Catches a refusal of what trains: an image has many values per channel."""
    changes = {"architecture.layers": [{"kind": "conv2d", "channels": 4, "kernel": 3, "norm": "batch"}]}
    limits = {"dataset.train_limit": 101, "protocol.batch_size": 20}
    assert planned(track="digits-conv", **changes, **limits).runs


def test_each_process_counts_its_own_part_unless_norms_are_synchronized() -> None:
    changes = NORMED | {"dataset.train_limit": 100, "protocol.batch_size": 14, "hardware.world_size": 2}
    with pytest.raises(bs.SpecError, match=r"shared by 2 processes.*last_batch: drop"):
        planned(**changes)  # 100 = 7 * 14 + 2
    assert planned(**changes, hardware__synchronized_batch_norm=True).runs
