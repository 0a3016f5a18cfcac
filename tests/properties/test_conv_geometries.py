"""Oracle: torch autograd on plain functions whose value uses W and whose derivative uses B.

Strided, dilated, grouped and depthwise convolutions under every rule of the first mechanism, in float64 and under bf16
autocast: where BioTorch's feedback alignment and DFA fail.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from benchsuite.credit.batch import Batch
from benchsuite.networks.adoption import adopt
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.maps import Conv2d, replaced_feedback
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture

GEOMETRIES = {
    "strided": {"channels": 6, "stride": 2, "padding": 1},
    "strided past the edge": {"channels": 6, "stride": 3},
    "dilated": {"channels": 6, "dilation": 2, "padding": 2},
    "strided and dilated": {"channels": 6, "stride": 2, "dilation": 2, "padding": 1},
    "grouped": {"channels": 8, "groups": 2, "padding": 1},
    "depthwise": {"channels": 4, "groups": 4, "padding": 1},
    "depthwise, two a channel": {"channels": 8, "groups": 4, "stride": 2, "padding": 1},
    "grouped, strided and dilated": {"channels": 6, "groups": 2, "stride": 2, "dilation": 2, "padding": 2},
}
RULES = {
    "backprop": {},
    "feedback_alignment": {},
    "sign_symmetry": {},
    "updated_random_feedback": {},
    "kolen_pollack": {"decay": 0.001},
    "weight_mirror": {"initial_mirror_steps": 2},
}


def test_no_rule_of_the_first_mechanism_is_left_out():
    names = {n for n, r in installed_registry().rules.items() if r.traits.mechanism == "replaced_feedback"}
    # Its feedback is that of direct feedback alignment, in no map's shape: geometries are nothing to it.
    assert names - {"leaky_direct_feedback_alignment"} == set(RULES)


def _network(geometry):
    conv = {"kind": "conv2d", "kernel": 3, "activation": "tanh", "bias": True}
    layers = [{**conv, "channels": 4, "padding": 1}, {**conv, **GEOMETRIES[geometry]}, {"kind": "global_average_pool"}]
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": layers})
    return build(shapes_of(spec, (2, 9, 8), 3), Generator().manual_seed(0))


def _batch(dtype, size=7):
    x = torch.randn(size, 2, 9, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(x.to(dtype), torch.arange(size) % 3, CRITERIA["cross_entropy"])


def _attached(name, network):
    rule_type = installed_registry().rule(name)
    rule = rule_type(rule_type.Config.model_validate(RULES[name]))
    rule.attach(network, Generator().manual_seed(3))
    rule.to(next(network.parameters()).dtype)
    rule.before_training()
    return rule


def _by_autograd(network, feedback, batch):
    """Return gradients where the value of every map uses W, and the way back to its input B."""
    parameters = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}

    def through(name, x, apply):
        weight, bias = (parameters[f"nodes.{name}.map.{what}"] for what in ("weight", "bias"))
        back = apply(x, feedback.get(name, network.maps[name].weight.detach()), None)
        return apply(x.detach(), weight, bias) + back - back.detach()

    x = batch.inputs
    for name in ("conv1", "conv2"):
        geometry = network.maps[name].geometry
        x = through(name, x, lambda v, w, b, g=geometry: F.conv2d(v, w, b, **g)).tanh()
    logits = through("readout", x.mean((2, 3)), F.linear)
    F.cross_entropy(logits, batch.targets).backward()
    return {name: p.grad for name, p in parameters.items()}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("name", RULES)
def test_credit_passes_through_the_rules_own_weights_by_the_same_geometry(name, geometry):
    """Would catch a stride, a dilation or a group left out on the way back."""
    network, batch = _network(geometry).double(), _batch(torch.float64)
    rule = _attached(name, network)
    rule.assign_credit(batch)
    expected = _by_autograd(network, rule.feedback_weights, batch)
    for path, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[path], rtol=1e-9, atol=1e-13, msg=path)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("name", [name for name in RULES if name != "backprop"])
def test_with_feedback_weights_equal_to_the_weights_it_is_backprop(name, geometry):
    network, batch = _network(geometry).double(), _batch(torch.float64)
    rule = _attached(name, network)
    assert set(rule.feedback_weights) == {"conv2", "readout"}
    for segment, feedback_weight in rule.feedback_weights.items():
        feedback_weight.copy_(network.maps[segment].weight.detach())
    rule.assign_credit(batch)
    own = {path: p.grad for path, p in network.named_parameters()}
    network.zero_grad(set_to_none=True)
    F.cross_entropy(network(batch.inputs), batch.targets).backward()
    for path, parameter in network.named_parameters():
        torch.testing.assert_close(own[path], parameter.grad, rtol=1e-9, atol=1e-13, msg=path)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("name", [*RULES, "direct_feedback_alignment"])
def test_under_bf16_gradients_are_those_of_the_wide_type_but_for_rounding(name, geometry):
    """Would catch a product of two types, and gradients left in the narrow one."""
    found = []
    for autocast in (None, torch.bfloat16):
        network = _network(geometry)
        network.autocast_dtype = autocast
        rule = _attached(name, network) if name in RULES else installed_registry().rule(name)()
        if name not in RULES:
            rule.attach(network, Generator().manual_seed(3))
        elif name == "weight_mirror":  # noise mirrored in another type ends in another B
            for weight in rule.feedback_weights.values():
                weight.copy_(torch.randn(weight.shape, generator=Generator().manual_seed(4)))
        rule.assign_credit(_batch(torch.float32, size=32))
        found.append({path: p.grad for path, p in network.named_parameters()})
    for path, wide in found[0].items():
        assert found[1][path].dtype == torch.float32
        cosine = F.cosine_similarity(wide.flatten(), found[1][path].flatten(), dim=0)
        assert float(cosine) > 0.99, path
        assert float(found[1][path].norm()) == pytest.approx(float(wide.norm()), rel=0.05), path


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_direct_credit_forms_each_segments_own_gradient(geometry):
    """Oracle: autograd within one segment for the same credit."""
    network, batch = _network(geometry).double(), _batch(torch.float64)
    rule = installed_registry().rule("direct_feedback_alignment")()
    rule.attach(network, Generator().manual_seed(3))
    rule.assign_credit(batch)
    with network.observed() as outputs:
        logits = network(batch.inputs)
    error = torch.autograd.grad(F.cross_entropy(logits, batch.targets), logits, retain_graph=True)[0]
    read = {"conv1": batch.inputs, "conv2": outputs["conv1"].detach()}
    for name, columns in rule.columns.items():
        segment = network.segments[name]
        output = segment(read[name])
        credit = (error @ rule.feedback_weight[:, columns]).view(output.shape)
        expected = torch.autograd.grad(output, list(segment.parameters()), credit)
        for parameter, gradient in zip(segment.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": (1, 3), "padding": (0, 1)},
        {"kernel": (3, 1), "stride": (2, 1), "padding": (1, 0), "groups": 2},
        {"kernel": (2, 3), "stride": (1, 2), "dilation": (2, 1), "padding": (1, 2)},
    ],
)
def test_the_two_axes_may_differ(options):
    """Would catch height and width exchanged; the fused backward and each operation alone."""
    linear_map = Conv2d(4, 6, **options).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in linear_map.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    feedback_weight = torch.randn(linear_map.weight.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(3, 4, 7, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    plain = {k: v for k, v in options.items() if k != "kernel"}
    expected = F.conv2d(x, linear_map.weight, linear_map.bias, **plain)
    cotangent = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    weight, bias = torch.autograd.grad(expected, [linear_map.weight, linear_map.bias], cotangent)
    (pulled,) = torch.autograd.grad(F.conv2d(x, feedback_weight, **plain), x, cotangent)
    with replaced_feedback({"it": linear_map}, {"it": feedback_weight}):
        output = linear_map(x)
    torch.testing.assert_close(output, expected)
    output.backward(cotangent)
    for found, target in [(x.grad, pulled), (linear_map.weight.grad, weight), (linear_map.bias.grad, bias)]:
        torch.testing.assert_close(found, target, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(linear_map.pull_back(cotangent, feedback_weight, x.shape), pulled)
    torch.testing.assert_close(linear_map.weight_gradient(x.detach(), cotangent), weight)


def test_a_grouped_module_keeps_its_groups_when_adopted():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.Conv2d(4, 8, 3, stride=2, groups=4, dilation=(1, 2)),
        torch.nn.Flatten(),
        torch.nn.Linear(48, 3),
    )
    network = adopt(module, (2, 9, 10))
    assert network.maps["1"].weight.shape == (8, 1, 3, 3)
    assert network.maps["1"].geometry == {"stride": 2, "padding": 0, "dilation": (1, 2), "groups": 4}
