"""Oracle: the same rule's gradients in float32. Under autocast products run in bfloat16 and nothing else may change."""

import numpy as np
import pytest
import torch

from benchsuite.credit import record_forward
from benchsuite.networks.maps import Conv2d, Dense, LocallyConnected2d, replaced_feedback
from benchsuite.registry.manager import installed_registry

from ..applicable import possible_pairs
from .chains import as_array, attached, conv_case, dense_case, gradients_of

CASES = {
    "dense": dense_case(64, 48, inputs=32, batch=32, activation="tanh"),
    "dense-relu": dense_case(64, 48, inputs=32, batch=32),
    "dense-norm": dense_case(64, 48, inputs=32, batch=32, norm="batch"),
    "conv": conv_case(
        {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1},
        {"kind": "average_pool", "size": 2},
        {"kind": "conv2d", "channels": 12, "kernel": 3, "stride": 2, "groups": 4, "activation": "tanh"},
        {"kind": "dense", "units": 20},
        batch=16,
    ),
    "locally-connected": conv_case(
        {"kind": "locally_connected2d", "channels": 8, "kernel": 3, "padding": 1},
        {"kind": "average_pool", "size": 2},
        {"kind": "locally_connected2d", "channels": 6, "kernel": 3, "activation": "tanh"},
        batch=16,
    ),
    "conv-norm": conv_case(
        {"kind": "conv2d", "channels": 8, "kernel": 3, "norm": "batch"},
        {"kind": "max_pool", "size": 2},
        {"kind": "conv2d", "channels": 8, "kernel": 2, "norm": "batch", "norm_order": "activation_first"},
        batch=16,
    ),
}


def _step(name, case, autocast_dtype):
    network = case.network().float()
    network.autocast_dtype = autocast_dtype
    rule = attached(RULES[name](), network)
    batch = case.data()
    result = rule.assign_credit(type(batch)(batch.inputs.float(), batch.targets, batch.criterion))
    return network, result


def _cosine(a, b):
    return float((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)))


RULES = installed_registry().rules
# Plans refuse bf16 for a rule that needs finer products, such as one whose credit is a difference of two passes.
PAIRS = [
    (rule, case)
    for rule, case in possible_pairs({name: case.shapes() for name, case in CASES.items()})
    if RULES[rule].traits.min_precision == "bf16"
]


@pytest.mark.parametrize(("rule_name", "case_name"), PAIRS)
def test_narrow_gradients_are_finite_parameter_typed_and_near_the_wide_ones(rule_name, case_name):
    """Would catch a feedback path that forgets a cast, and gradients in bfloat16 that an optimizer would accumulate."""
    case = CASES[case_name]
    wide, expected = _step(rule_name, case, None)
    narrow, found = _step(rule_name, case, torch.bfloat16)
    assert found.loss.dtype == torch.float32
    assert float(found.loss) == pytest.approx(float(expected.loss), rel=0.05)
    gradients, targets = gradients_of(narrow), gradients_of(wide)
    for segment in narrow.segments.values():
        for parameter in segment.parameters():
            assert parameter.dtype == torch.float32
            assert parameter.grad is None or parameter.grad.dtype == torch.float32
    for path, target in targets.items():
        assert (gradients[path] is None) == (target is None), path
        # A bias before a norm has a gradient of zero in exact arithmetic: its direction is rounding alone.
        if target is None or np.abs(target).max() < 1e-6:
            continue
        assert np.isfinite(gradients[path]).all(), path
        assert _cosine(gradients[path], target) > 0.99, path


@pytest.mark.parametrize("rule_name", ["backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only"])
def test_reported_logits_are_wide_whatever_the_mechanism(rule_name):
    """Would catch training errors counted from bfloat16 logits, in which classes tie, under some of the rules only."""
    assert _step(rule_name, CASES["dense"], torch.bfloat16)[1].logits.dtype == torch.float32


def test_autocast_does_run_the_products_narrow():
    """Would catch a setting that changes nothing: the test above would pass, and a table would claim bfloat16."""
    case = CASES["dense"]
    network = case.network().float()
    network.autocast_dtype = torch.bfloat16
    batch = case.data()
    with network.observed() as outputs:
        logits = network(batch.inputs.float())
    assert all(output.dtype == torch.bfloat16 for output in outputs.values())
    assert logits.dtype == torch.float32
    tape = record_forward(network, type(batch)(batch.inputs.float(), batch.targets, batch.criterion))
    assert tape.error.dtype == torch.float32
    assert not np.allclose(as_array(tape.error), as_array(_tape_wide(case).error), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("linear_map", "shape"),
    [
        (Dense(6, 5), (4, 6)),
        (Conv2d(2, 3, 3, stride=2), (4, 2, 8, 8)),
        (LocallyConnected2d(2, 3, 3, 8, 8, stride=2), (4, 2, 8, 8)),
    ],
    ids=["dense", "conv", "locally connected"],
)
def test_wide_inputs_pass_the_replaced_path_under_autocast(linear_map, shape):
    """Would catch a missing cast where what comes in is wide, as after what autocast keeps in float32."""
    generator = torch.Generator().manual_seed(3)
    feedback_weight = torch.randn(linear_map.weight.shape, generator=generator)
    x = torch.randn(shape, generator=generator).requires_grad_()
    with replaced_feedback({"it": linear_map}, {"it": feedback_weight}), torch.autocast("cpu", torch.bfloat16):
        output = linear_map(x)
    assert output.dtype == torch.bfloat16
    cotangent = torch.randn(output.shape, generator=generator).bfloat16()
    output.backward(cotangent)
    wide = cotangent.float()
    expected = {
        "input": (x.grad, linear_map.pull_back(wide, feedback_weight, x.shape)),
        "weight": (linear_map.weight.grad, linear_map.weight_gradient(x.detach(), wide)),
        "bias": (linear_map.bias.grad, linear_map.bias_gradient(wide)),
    }
    for what, (found, target) in expected.items():
        assert found.dtype == torch.float32, what
        assert _cosine(as_array(found), as_array(target)) > 0.999, what
        assert np.linalg.norm(as_array(found)) == pytest.approx(np.linalg.norm(as_array(target)), rel=0.01), what


def _tape_wide(case):
    batch = case.data()
    return record_forward(case.network().float(), type(batch)(batch.inputs.float(), batch.targets, batch.criterion))
