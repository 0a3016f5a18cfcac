"""Oracles: torchvision's ResNets with the same weights; published numbers of parameters; He et al. 2016."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, nn
from torchvision.models import get_model

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.resnet import expand_resnet
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.architecture import ResNetArchitecture


def _spec(name):
    plain = SpecLibrary([builtin_folder()]).load("architectures", name).plain()
    return ResNetArchitecture.model_validate({**plain, "name": name})


def _ours(name, size=64, classes=7):
    return build(shapes_of(_spec(name), (3, size, size), classes), Generator().manual_seed(0)).double()


def _theirs(name, classes=7):
    torch.manual_seed(3)
    module = get_model(name, weights=None, num_classes=classes).double()
    # Norms that are not the identity they start as.
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for values in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(values, 0.5, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
    return module


def _layers(module):
    """Return what has weights, in the order in which it was registered, with names of its tensors made alike."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]


def _own_layers(network):
    return [m for segment in network.segments.values() for m in (segment.map, segment.norm) if m is not None]


def _copy(theirs, network):
    pairs = list(zip(_own_layers(network), _layers(theirs), strict=True))
    for own, their in pairs:
        own.load_state_dict(their.state_dict(), strict=True)
    return pairs


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_with_torchvisions_weights_outputs_and_gradients_are_torchvisions(name):
    """Would catch a stride in another conv, a sum before a norm, a missing ReLU, a shortcut from the wrong layer."""
    theirs, network = _theirs(name), _ours(name, size=40)
    pairs = _copy(theirs, network)
    for training in (False, True):  # in this order: training moves the norms' averages
        for module in (theirs, network):
            module.train(training)
            module.zero_grad()
        _compare(theirs, network, pairs)


def _compare(theirs, network, pairs):
    x = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    targets = torch.tensor([1, 5])
    own_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected, found = theirs(their_x), network(own_x)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for logits in (expected, found):
        nn.functional.cross_entropy(logits, targets).backward()
    torch.testing.assert_close(own_x.grad, their_x.grad, rtol=1e-6, atol=1e-9)
    for own, their in pairs:
        for (what, parameter), (_, target) in zip(own.named_parameters(), their.named_parameters(), strict=True):
            scale = float(target.grad.abs().max())
            torch.testing.assert_close(parameter.grad, target.grad, rtol=1e-6, atol=1e-8 * scale, msg=what)
        for (what, buffer), (_, target) in zip(own.named_buffers(), their.named_buffers(), strict=True):
            torch.testing.assert_close(buffer, target, rtol=1e-10, atol=1e-12, msg=what)


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
@pytest.mark.parametrize("order", ["", "-norm-last"])
def test_imagenet_networks_have_the_published_number_of_parameters(name, parameters, order):
    """torchvision's documentation; the place of a norm changes none of its channels."""
    assert shapes_of(_spec(name + order), (3, 224, 224), 1000).parameters == parameters


@pytest.mark.parametrize(
    ("name", "parameters", "convs"), [("resnet20", 269_722, 19), ("resnet32", 464_154, 31), ("resnet56", 853_018, 55)]
)
def test_cifar_networks_have_the_published_number_of_parameters(name, parameters, convs):
    """0.27, 0.46 and 0.85 million in He et al. 2016, Table 6; would catch a shortcut with weights, or a block more."""
    plan = shapes_of(_spec(name), (3, 32, 32), 10)
    assert plan.parameters == parameters
    assert [s.map_kind for s in plan.segments] == ["conv2d"] * convs + ["dense"]
    assert [s.output_shape for s in plan.segments[-3:]] == [(64, 8, 8), (64, 8, 8), (10,)]


def test_a_cifar_shortcut_is_the_subsampled_image_with_channels_of_zeros():
    """Would catch pooling in its place, and zeros before the channels; written out by hand on the network's parts."""
    network = _ours("resnet20", size=8).eval()
    steps = dict(network.steps())
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shortcut = next(m for n, m in steps.items() if n.startswith("subsample"))
    found = shortcut(x)
    assert found.shape == (2, 32, 4, 4)
    torch.testing.assert_close(found[:, :16], x[:, :, 0::2, 0::2], rtol=0, atol=0)
    assert not found[:, 16:].any()


@pytest.mark.parametrize("name", ["resnet18-norm-last", "resnet50-norm-last"])
def test_with_the_norm_last_what_a_sum_adds_is_normalised_and_no_relu_follows(name):
    """Would catch the norm before the ReLU under the other name, a ReLU on what the norm gave, a bare projection."""
    network = _ours(name).train()
    plan = network.shapes
    assert not any(n.startswith("activation") for n, _ in network.steps())
    x = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with network.observed() as outputs, torch.no_grad():
        network(x)
    for segment, output in outputs.items():
        if segment == network.readout:
            continue
        mean, variance = output.mean((0, 2, 3)), output.var((0, 2, 3), unbiased=False)
        torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-9)
        assert float(variance.median()) == pytest.approx(1, abs=0.02), segment
    projections = {s.name for s in plan.segments if s.activation == "identity" and s.norm == "batch"}
    strided = {s.name for s in plan.segments if s.map_options.get("kernel") == 1 and s.activation == "identity"}
    assert projections == strided
    assert len(projections) == (4 if "50" in name else 3)
    rectified = [s for s in plan.segments[:-1] if s.name not in projections]
    assert all((s.activation, s.norm_order) == ("relu", "activation_first") for s in rectified)


def test_by_hand_a_block_with_the_norm_last():
    spec = ResNetArchitecture(
        kind="resnet",
        name="asked",
        block="basic",
        blocks=(1, 1),
        channels=4,
        stem="cifar",
        norm_order="activation_first",
    )
    network = build(shapes_of(spec, (3, 6, 6), 3), Generator().manual_seed(0)).double().train()
    x = torch.randn(5, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with network.untracked():
        found = network(x)

    def segment(name, values, rectified=True):
        s = network.segments[name]
        values = nn.functional.conv2d(values, s.map.weight, **s.map.geometry)
        return s.norm(values.relu() if rectified else values)

    with network.untracked():
        a = segment("conv1", x)
        b = a + segment("conv3", segment("conv2", a))
        c = segment("conv5", segment("conv4", b)) + segment("conv6", b, rectified=False)
        expected = network.segments["readout"](c.mean((2, 3)))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_weights_start_with_torchvisions_spread():
    """Would catch the fan of the inputs: their spread in a strided or widening conv is another."""
    network, theirs = _ours("resnet18", classes=1000), _theirs("resnet18", classes=1000)
    weighted = [m for m in _layers(theirs) if not isinstance(m, nn.BatchNorm2d)]
    for own, their in zip(network.maps.values(), weighted, strict=True):
        assert float(own.weight.std()) == pytest.approx(float(their.weight.std()), rel=0.04)
        assert (own.bias is None) == (their.bias is None)
    assert bool(network.maps["readout"].bias.any())


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"blocks": [100, 51]}, "151 blocks; at most 150"), ({"channels": 4096, "blocks": [1] * 8}, "524288 channels")],
)
def test_networks_too_large_to_write_out_are_refused(changes, message):
    """Would catch a bound met only when the layers are written, whose message names layers nobody wrote."""
    with pytest.raises(ValueError, match=message):
        ResNetArchitecture.model_validate(
            {"kind": "resnet", "name": "asked", "block": "basic", "blocks": [1], "channels": 8, "stem": "cifar"}
            | changes
        )


def test_the_largest_network_allowed_can_be_written_out():
    spec = {"kind": "resnet", "name": "asked", "block": "bottleneck", "blocks": [75, 75], "channels": 2}
    chain = expand_resnet(ResNetArchitecture.model_validate({**spec, "stem": "cifar"}))
    assert sum(layer.kind == "sum" for layer in chain.layers) == 150
