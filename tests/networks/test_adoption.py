"""Oracles: the module itself before it is adopted, torch autograd on it, and dependencies drawn by hand."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, nn
from torchvision.ops import StochasticDepth

import benchsuite.networks
from benchsuite.credit import ReplacedFeedbackRule
from benchsuite.credit.batch import Batch
from benchsuite.errors import AdoptionError, IncompatibleError
from benchsuite.execution.estimate import estimate
from benchsuite.networks.adoption import AdoptedNetwork, adopt
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.maps import Conv2d, Dense
from benchsuite.networks.segments import Dropout
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import PluginArchitecture, TorchvisionArchitecture
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite_rules.backprop import Backprop

SHAPE = (3, 12, 10)
FIRST_MECHANISM = [
    "backprop",
    "feedback_alignment",
    "sign_symmetry",
    "updated_random_feedback",
    "kolen_pollack",
    "weight_mirror",
]


class Odd(nn.Module):
    """A squeeze-and-excite gate, a skip, a depthwise conv, an uneven kernel, a linear layer over positions."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, (1, 5), stride=(1, 2), padding=(0, 2), bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.ModuleDict(
            {
                "depthwise": nn.Conv2d(8, 16, 3, padding="same", groups=8, dilation=2),
                "gate": nn.Linear(16, 8),
            }
        )
        self.drop = nn.Dropout(0.4)
        self.mix = nn.Linear(8, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)), inplace=True)
        squeezed = self.block["depthwise"](x).mean((2, 3))
        x = x * self.block["gate"](squeezed).sigmoid()[:, :, None, None] + x
        x = self.mix(self.drop(x.permute(0, 2, 3, 1))).tanh()
        return self.head(x.mean((1, 2)))


def _odd():
    torch.manual_seed(0)
    return Odd().double()


def _batch(shape=SHAPE, size=6, classes=5):
    x = torch.randn(size, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(x, torch.arange(size) % classes, CRITERIA["cross_entropy"])


def test_an_adopted_module_computes_what_it_computed():
    """Would catch a geometry lost in conversion, parameters copied instead of shared, and running averages moved."""
    module = _odd()
    before = copy.deepcopy(module)
    parameters = {id(p) for p in module.parameters()}
    network = benchsuite.networks.adopt(module, SHAPE)
    assert isinstance(network, AdoptedNetwork)
    assert {id(p) for p in network.parameters()} == parameters
    torch.testing.assert_close(module.norm.running_mean, before.norm.running_mean, rtol=0, atol=0)
    assert int(module.norm.num_batches_tracked) == 0
    assert module.training == before.training
    x = _batch().inputs
    for mode in (False, True):
        module.train(mode)
        before.train(mode).drop.eval()
        module.drop.eval()
        torch.testing.assert_close(network(x), before(x), rtol=0, atol=0)


def test_backprop_in_an_adopted_module_is_autograd_on_it():
    module = _odd()
    before = copy.deepcopy(module)
    network = adopt(module, SHAPE)
    for part in (module.drop, before.drop):
        part.eval()
    rule, batch = Backprop(), _batch()
    rule.attach(network, Generator())
    module.drop.eval()
    rule.assign_credit(batch)
    F.cross_entropy(before(batch.inputs), batch.targets).backward()
    for own, (name, their) in zip(network.parameters(), before.named_parameters(), strict=True):
        torch.testing.assert_close(own.grad, their.grad, rtol=1e-12, atol=1e-14, msg=name)


def test_the_shapes_of_an_adopted_module():
    """Would catch a dependency missed across a gate or a skip, and sizes of another axis than a layer works on."""
    plan = adopt(_odd(), SHAPE).shapes
    assert [s.name for s in plan.segments] == ["stem", "block_depthwise", "block_gate", "mix", "head"]
    assert plan.topology == "adopted"
    assert plan.sources == ((-1,), (0,), (1,), (0, 2), (3,))
    assert plan.upstream["mix"] == {"stem", "block_depthwise", "block_gate"}
    assert [s.output_shape for s in plan.segments] == [(8, 12, 5), (16, 12, 5), (8,), (12, 5, 6), (5,)]
    assert [s.reads_input for s in plan.segments] == [True, False, False, False, False]
    assert [s.macs for s in plan.segments] == [8 * 60 * 15, 16 * 60 * 9, 8 * 16, 60 * 6 * 8, 30]
    assert plan.parameters == sum(p.numel() for p in Odd().parameters())
    assert plan.exact_parameters == ("norm.weight", "norm.bias")


def test_layers_that_pass_no_credit_to_another_get_no_feedback_weight():
    """Would catch a second layer that reads the data taken for one that sends credit."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right, self.top = nn.Linear(4, 3), nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.top((self.left(x) + self.right(x)).relu())

    network = adopt(Two(), (4,))
    assert network.credit_senders == ("top",)
    assert network.readout == "top"
    assert network.hidden == ("left", "right")


def test_feedback_replaces_the_way_back_and_nothing_else():
    """Autograd on the module with W in the forward value and B in the derivative; norm, gate and skip stay exact."""

    class Drawn(ReplacedFeedbackRule):
        name = "drawn"
        traits = Backprop.traits

        def draw_feedback(self, linear_map, generator):
            return torch.randn(linear_map.weight.shape, generator=generator, dtype=torch.float64)

    module = _odd()
    expected = copy.deepcopy(module)
    expected.drop.eval()
    network, batch = adopt(module, SHAPE), _batch()
    module.drop.eval()
    rule = Drawn()
    rule.attach(network, Generator().manual_seed(5))
    paths = {"block_depthwise": "block.depthwise", "block_gate": "block.gate", "mix": "mix", "head": "head"}
    assert set(rule.feedback_weights) == set(paths)
    for name, feedback_weight in rule.feedback_weights.items():
        expected.get_submodule(paths[name]).forward = _through(expected.get_submodule(paths[name]), feedback_weight)
    rule.assign_credit(batch)
    F.cross_entropy(expected(batch.inputs), batch.targets).backward()
    for own, (name, their) in zip(network.parameters(), expected.named_parameters(), strict=True):
        torch.testing.assert_close(own.grad, their.grad, rtol=1e-10, atol=1e-13, msg=name)
    assert rule.taken_over == ("stem", "block_depthwise", "block_gate", "mix")


def _through(layer, feedback_weight):
    def apply(x, weight):
        if isinstance(layer, nn.Linear):
            return F.linear(x, weight, layer.bias)
        return F.conv2d(x, weight, layer.bias, layer.stride, "same", layer.dilation, layer.groups)

    def forward(x):
        back = (
            F.linear(x, feedback_weight)
            if isinstance(layer, nn.Linear)
            else F.conv2d(x, feedback_weight, None, layer.stride, "same", layer.dilation, layer.groups)
        )
        return apply(x.detach(), layer.weight) + back - back.detach()

    return forward


@pytest.mark.parametrize("name", FIRST_MECHANISM)
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_every_rule_of_the_first_mechanism_trains_an_adopted_module(name, dtype):
    """Would catch a rule that needs what only the suite's own networks have, under autocast too."""
    network = adopt(_odd().float(), SHAPE)
    network.autocast_dtype = dtype
    rule_type = installed_registry().rule(name)
    brief = {"kolen_pollack": {"decay": 0.001}, "weight_mirror": {"initial_mirror_steps": 5}}
    rule = rule_type(rule_type.Config.model_validate(brief.get(name, {})))
    rule.attach(network, Generator().manual_seed(0))
    rule.before_training()
    batch = _batch()
    result = rule.assign_credit(Batch(batch.inputs.float(), batch.targets, batch.criterion))
    rule.after_update()
    assert result.logits.dtype == torch.float32
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
    assert all(bool(p.grad.any()) for n, p in network.named_parameters() if n.endswith("weight"))


def test_rules_that_hand_credit_over_refuse_it_with_a_reason():
    rule = installed_registry().rule("direct_feedback_alignment")()
    with pytest.raises(IncompatibleError, match="this network is an adopted module, in which autograd alone knows"):
        rule.attach(adopt(_odd(), SHAPE), Generator())


def test_dropout_draws_from_the_runs_own_stream():
    """Would catch masks from torch's global stream, with which a resumed run would not be the run it was."""
    network = adopt(_odd(), SHAPE).train()
    assert isinstance(network.module.drop, Dropout)
    x, outputs = _batch().inputs, []
    for seed in (1, 2, 1):
        network.set_dropout_generator(torch.Generator().manual_seed(seed))
        torch.manual_seed(len(outputs))
        outputs.append(network(x))
    assert torch.equal(outputs[0], outputs[2])
    assert not torch.equal(outputs[0], outputs[1])


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout(0.5), (40, 8, 3, 3)),
        (nn.Dropout2d(0.5), (40, 8, 1, 1)),
        (StochasticDepth(0.5, "row"), (40, 1, 1, 1)),
        (StochasticDepth(0.5, "batch"), (1, 1, 1, 1)),
    ],
    ids=["values", "channels", "examples", "batch"],
)
def test_what_a_draw_decides_is_as_in_the_layer_replaced(layer, shape):
    """Would catch a mask of values for one of channels, and a scale left out; what draws must draw from our stream."""
    module = nn.Sequential(nn.Conv2d(2, 8, 1, bias=False), layer, nn.Flatten(), nn.Linear(72, 3))
    network = adopt(module, (2, 3, 3)).train()
    dropout = module[1]
    ones = torch.ones(40, 8, 3, 3)
    masks = []
    for seed in range(6):
        network.set_dropout_generator(torch.Generator().manual_seed(seed))
        torch.manual_seed(0)
        masks.append(dropout(ones))
        own = masks[-1][tuple(slice(n) for n in shape)]
        assert torch.equal(own.expand_as(ones), masks[-1])
        assert set(own.unique().tolist()) <= {0.0, 2.0}
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) > 1
    assert float(torch.stack(masks).mean()) == pytest.approx(1, abs=1.0 if shape[0] == 1 else 0.35)
    if shape[0] > 1:
        assert set(masks[0].unique().tolist()) == {0.0, 2.0}
    assert torch.equal(network.eval().module[1](ones), ones)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 3)
        self.scale = nn.Parameter(torch.ones(3))
        self.spare = nn.Linear(3, 3)
        self.attention = nn.MultiheadAttention(3, 1)

    def forward(self, x):
        return self.body(x) * self.scale


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.body(self.body(x))


class Tuple(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 4)

    def forward(self, x):
        return self.body(x), x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Own(),
            r"Own has parameters outside linear maps and norms: scale, spare.weight, spare.bias, attention.in_proj_"
            r"weight, .*unconverted: exact",
        ),
        (Twice(), "Twice calls body more than once"),
        (Tuple(), "Tuple returns tuple in training mode .*one tensor of logits"),
        (nn.Sequential(nn.Linear(5, 3)), r"Sequential fails on a batch of shape \(2, 4\): "),
        (nn.Sequential(nn.Linear(4, 3), nn.Unflatten(1, (3, 1))), r"returns shape \(2, 3, 1\)"),
        (nn.Sequential(nn.ReLU()), "no parameters"),
        (nn.Sequential(nn.BatchNorm1d(4)), "calls no nn.Linear and no nn.Conv2d"),
        (nn.Sequential(nn.Linear(4, 3)), "returns 3 logits; the data have 4 classes"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_cannot_be_adopted_is_refused_by_name_and_left_as_it_was(module, message):
    """Would catch parameters that silently learn by another rule than the table says."""
    layers = [type(part) for part in module.modules()]
    with pytest.raises(AdoptionError, match=message):
        adopt(module, (4,), classes=4)
    assert [type(part) for part in module.modules()] == layers


def test_unconverted_parameters_may_be_trained_exactly_and_are_named():
    network = adopt(Own(), (4,), unconverted="exact")
    assert network.shapes.exact_parameters[:3] == ("scale", "spare.weight", "spare.bias")
    assert isinstance(network.module.spare, nn.Linear)
    rule = installed_registry().rule("feedback_alignment")()
    rule.attach(network, Generator())
    batch = _batch((4,), 6, 3)
    rule.assign_credit(Batch(batch.inputs.float(), batch.targets, batch.criterion))
    assert bool(network.module.scale.grad.any())


def test_a_subclass_is_not_taken_for_what_it_derives_from():
    """Would catch a layer whose forward does more than its weight says, replaced by one that does not."""

    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(AdoptionError, match=r"0\.weight"):
        adopt(nn.Sequential(Doubled(4, 3), nn.Linear(3, 2)), (4,))
    same = nn.Sequential(nn.Conv2d(1, 2, 2, padding="same"), nn.Flatten(), nn.Linear(18, 2))
    with pytest.raises(AdoptionError, match=r"0\.weight"):
        adopt(same, (1, 3, 3))


@pytest.mark.parametrize(
    ("model", "options", "size"),
    [
        ("resnet18", {}, 32),
        ("mobilenet_v3_small", {}, 32),
        ("alexnet", {"dropout": 0.3}, 64),
        ("squeezenet1_1", {}, 64),
        ("regnet_y_400mf", {}, 32),
        ("googlenet", {"aux_logits": False, "init_weights": False}, 64),
    ],
)
def test_torchvisions_classifiers_by_name(model, options, size):
    """Would catch the shapes other than of the network built, and one that consumes or shifts a random stream."""
    spec = TorchvisionArchitecture(kind="torchvision", name="asked", model=model, options=options)
    torch.manual_seed(7)
    state = torch.get_rng_state()
    plan = shapes_of(spec, (3, size, size), 4)
    network = build(plan, Generator().manual_seed(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert network.shapes == plan
    assert plan.parameters == sum(p.numel() for p in network.parameters())
    again = build(plan, Generator().manual_seed(2))
    for one, other in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    other = build(plan, Generator().manual_seed(3))
    assert not torch.equal(next(network.parameters()), next(other.parameters()))
    assert network.eval()(torch.zeros(2, 3, size, size)).shape == (2, 4)
    assert {type(linear_map) for linear_map in network.maps.values()} <= {Dense, Conv2d}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "resnet19"}, "no classifier 'resnet19'; did you mean 'resnet1"),
        ({"options": {"depth": 3}}, "resnet18 refuses"),
        ({"model": "googlenet"}, "GoogLeNetOutputs .*aux_logits: false"),
        ({"model": "vit_b_16"}, "class_token"),
    ],
)
def test_impossible_torchvision_networks_are_refused(changes, message):
    spec = {"kind": "torchvision", "name": "asked", "model": "resnet18", **changes}
    size = 224 if "vit" in spec["model"] else 64
    with pytest.raises(AdoptionError, match=message):
        shapes_of(TorchvisionArchitecture.model_validate(spec), (3, size, size), 4)


def test_a_plugins_builder_may_return_a_module():
    spec = PluginArchitecture(kind="plugin", name="theirs", builder="odd", options={})
    builders = {"odd": lambda _options, _shape, _classes: Odd()}
    plan = shapes_of(spec, SHAPE, 5, builders)
    one, other = (build(plan, Generator().manual_seed(4)) for _ in range(2))
    assert plan.topology == "adopted"
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    with pytest.raises(AdoptionError, match="returns 5 logits; the data have 9 classes"):
        shapes_of(spec, SHAPE, 9, builders)


def test_an_estimate_counts_the_norms_of_an_adopted_module():
    plan = adopt(_odd(), SHAPE).shapes
    protocol = ProtocolSpec.model_validate(
        {"epochs": 1, "batch_size": 2, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
    )
    assert estimate(plan, Backprop, Backprop.Config(), protocol, 2, 0).parameters == sum(
        p.numel() for p in Odd().parameters()
    )
