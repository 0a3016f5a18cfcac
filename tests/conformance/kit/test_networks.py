"""The kit's own material is sound. The oracle is autograd, and what each sample network is said to contain."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchsuite.conformance.kit.guards import HostReadError, no_host_reads
from benchsuite.networks.maps import replaced_feedback
from benchsuite.testing import SAMPLE_NETWORKS, CustomMap


@pytest.mark.parametrize("sample", SAMPLE_NETWORKS, ids=lambda s: s.name)
def test_pulling_back_through_the_forward_weight_is_autograd(sample):
    """Catches a wrong third operation in the kit's own map: every rule would be blamed for it."""
    network = sample.build(torch.Generator().manual_seed(0)).double()
    network.set_dropout_generator(torch.Generator().manual_seed(1))
    batch = sample.batch(0, dtype=torch.float64)
    gradients = []
    for weights in ({}, {name: m.weight.detach() for name, m in network.maps.items()}):
        network.set_dropout_generator(torch.Generator().manual_seed(1))
        with replaced_feedback(network.maps, weights):
            loss = batch.criterion(network(batch.inputs), batch.targets)
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    for exact, own in zip(*gradients, strict=True):
        torch.testing.assert_close(own, exact, rtol=1e-10, atol=1e-14)


def test_sample_networks_have_between_them_everything_a_rule_may_meet():
    nodes = [node for sample in SAMPLE_NETWORKS for node in sample.shapes.nodes]
    segments = [s for sample in SAMPLE_NETWORKS for s in sample.shapes.segments]
    assert {"dense", "conv2d", "locally_connected2d", CustomMap.kind} == {s.map_kind for s in segments}
    assert {"norm_first", "activation_first"} == {s.norm_order for s in segments if s.norm == "batch"}
    assert {"none", "batch", "layer", "group"} == {s.norm if isinstance(s.norm, str) else s.norm.kind for s in segments}
    assert {True, False} == {s.bias for s in segments}
    joints = {node.layer.kind for node in nodes if hasattr(node, "layer")}
    assert joints == {
        "max_pool",
        "average_pool",
        "global_average_pool",
        "dropout",
        "flatten",
        "sum",
        "activation",
        "pass_on",
    }
    assert {"chain", "residual", "adopted"} == {sample.shapes.topology for sample in SAMPLE_NETWORKS}
    assert any(s.map_options.get("groups", 1) > 1 for s in segments)
    assert {"ordinary", "vectorized", "invertible"} == {sample.shapes.form for sample in SAMPLE_NETWORKS}
    vectorized = [sample.shapes for sample in SAMPLE_NETWORKS if sample.shapes.form == "vectorized"]
    assert {"dense", "conv2d", "locally_connected2d"} <= {s.map_kind for plan in vectorized for s in plan.segments}
    assert {"chain", "residual"} == {plan.topology for plan in vectorized}
    assert {True, False} == {plan.nonnegative for plan in vectorized}
    assert any(plan.components != plan.classes for plan in vectorized)
    assert {0, 1, 2, 3, 4} == {len(sample.shapes.segments) - 1 for sample in SAMPLE_NETWORKS}


READS = {
    "item": lambda t: t.item(),
    "bool": lambda t: bool(t > 0),
    "float": lambda t: float(t),
    "int": lambda t: int(t),
    "tolist": lambda t: t.tolist(),
    "numpy": lambda t: t.numpy(),
    "cpu": lambda t: t.cpu(),
    "to": lambda t: t.to("cpu"),
    "to device": lambda t: t.to(device=torch.device("cpu")),
    "format": lambda t: f"{t:.3f}",
    "mask": lambda t: t.expand(3)[t.expand(3) > 0],
    "nonzero": lambda t: torch.nonzero(t),
    "equal": lambda t: torch.equal(t, t),
    "where": lambda t: torch.where(t > 0),
    "range": lambda t: list(range(t.long())),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_guard_sees_a_read_on_the_host(read):
    with pytest.raises(HostReadError), no_host_reads():
        read(torch.tensor(1.5))


def test_guard_lets_work_on_the_device_pass():
    values = torch.randn(4, 3)
    with no_host_reads():
        chosen = torch.where(values > 0, values, 0.0)
        chosen[values < -1] = 0.0
        picked = values[torch.tensor([0, 2])].to(torch.float64)
        assert picked.shape == (2, 3)
        assert len(chosen) == 4


def test_importing_what_runs_and_rules_need_brings_nothing_that_is_heavy_and_unused():
    """Catches imports that every command would wait for: torchvision and dynamo take twice as long as torch itself."""
    imports = "import sys, benchsuite.api.runs, benchsuite.credit.rule, benchsuite.registry.scaffold"
    unused = "{'pytest', 'torchvision', 'torch._dynamo', 'sympy', 'sklearn', 'scipy', 'pandas', 'mlflow'}"
    check = f"{imports}; unused = {unused} & set(sys.modules); assert not unused, unused"
    done = subprocess.run([sys.executable, "-c", check], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
