"""Oracle: weight counts and sizes worked out from the papers and the authors' code (FACTS §2.2), not from ours."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.maps import Conv2d, LocallyConnected2d
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.architecture import ChainArchitecture

CIFAR10 = ((3, 32, 32), 10)


def _spec(name):
    plain = SpecLibrary([builtin_folder()]).load("architectures", name).plain()
    return ChainArchitecture.model_validate({**plain, "name": name})


@pytest.mark.parametrize(
    ("name", "weights", "topology"),
    [
        ("urfb-simpnet", 4_103_400, "chain"),
        ("urfb-deepernet", 1_281_080, "residual"),
        ("urfb-deepnet-s", 374_584, "residual"),
    ],
)
def test_urfb_networks_have_the_published_number_of_weights(name, weights, topology):
    """Would catch a pool or a padding of another convention: the first dense segment's inputs count positions."""
    plan = shapes_of(_spec(name), *CIFAR10)
    assert plan.parameters == weights
    assert plan.topology == topology
    assert not any(segment.bias for segment in plan.segments)


def _untied(positions, channels, inputs, kernel):
    return positions * channels * inputs * kernel**2


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("urfb-simpnet-lc", _untied(32**2, 32, 3, 5) + 16**2 * 32 * 500 + 5000),
        (
            "urfb-deepnet-s-lc",
            16 * 3 * 9
            + _untied(32**2, 16, 16, 3)
            + _untied(11**2, 64, 16, 3)
            + _untied(11**2, 64, 64, 3)
            + 2 * _untied(6**2, 64, 64, 2)
            + 3**2 * 64 * 500
            + 5000,
        ),
        (
            "urfb-deepernet-lc",
            _untied(32**2, 16, 3, 3)
            + _untied(32**2, 16, 16, 3)
            + _untied(32**2, 32, 16, 3)
            + _untied(32**2, 32, 32, 3)
            + _untied(16**2, 64, 32, 3)
            + _untied(16**2, 64, 64, 3)
            + _untied(8**2, 128, 64, 2)
            + _untied(8**2, 128, 128, 3)
            + 4**2 * 128 * 500
            + 5000,
        ),
        (
            "urfb-deepnet-lc",
            _untied(32**2, 32, 3, 5)
            + 2 * _untied(16**2, 32, 32, 3)
            + _untied(8**2, 64, 32, 3)
            + _untied(8**2, 64, 64, 3)
            + 4**2 * 64 * 500
            + 5000,
        ),
    ],
)
def test_untied_networks_have_a_filter_for_every_position(name, weights):
    """Would catch a conv left tied, or untied at another size than the tied network has there."""
    assert shapes_of(_spec(name), *CIFAR10).parameters == weights


@pytest.mark.parametrize("name", ["urfb-simpnet", "urfb-deepnet-s", "urfb-deepernet", "urfb-deepnet"])
def test_an_untied_network_starts_as_its_tied_one(name):
    """Would catch another geometry or another start: all positions begin with the tied network's filter (FACTS 2.5.4).

    Drops, which the untied simpnet has not, are off.
    """
    tied, untied = (
        build(shapes_of(_spec(n), *CIFAR10), Generator().manual_seed(0)).eval() for n in (name, f"{name}-lc")
    )
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(untied(x), tied(x), rtol=1e-4, atol=1e-5)
    first = next(iter(untied.maps.values()))
    assert isinstance(first, Conv2d if name == "urfb-deepnet-s" else LocallyConnected2d)


def test_the_untied_simpnet_has_no_drops():
    kinds = [layer.kind for layer in _spec("urfb-simpnet-lc").layers]
    assert "dropout" not in kinds


@pytest.mark.parametrize(("name", "inputs", "units"), [("mirror-fc-500", 784, 500), ("mirror-fc-1000", 3072, 1000)])
def test_mirror_networks_are_the_codes(name, inputs, units):
    """Would catch the sigmoid on the logits, or weights and biases of another spread than N(0, 1/(n_in + n_out))."""
    plan = shapes_of(_spec(name), (inputs,), 10)
    assert [s.output_shape for s in plan.segments] == [(units,), (10,)]
    assert [s.activation for s in plan.segments] == ["sigmoid", "identity"]
    network = build(plan, Generator().manual_seed(0))
    for linear_map, fans in zip(network.maps.values(), (inputs + units, units + 10), strict=True):
        assert linear_map.weight.std().item() == pytest.approx(fans**-0.5, rel=0.03)
        assert linear_map.bias is not None
        assert 0.4 * fans**-0.5 < linear_map.bias.std().item() < 1.7 * fans**-0.5


def test_deepernet_with_the_papers_kernel_has_its_count():
    """Would catch the 2x2 conv in another place than the one in which paper and code differ."""
    plain = _spec("urfb-deepernet").model_dump()
    plain["layers"] = [{**x, "kernel": 3} if x.get("channels") == 128 else x for x in plain["layers"]]
    assert shapes_of(ChainArchitecture.model_validate(plain), *CIFAR10).parameters == 1_322_040


def test_deepnet_s_is_pooled_to_the_sizes_of_the_code():
    """Would catch sizes rounded down where TensorFlow rounds up: 32, 11, 6, 3."""
    plan = shapes_of(_spec("urfb-deepnet-s"), *CIFAR10)
    assert [s.output_shape[1] for s in plan.segments if len(s.output_shape) == 3] == [32, 32, 11, 11, 6, 6]
    assert plan.segments[-2].input_shape == (3 * 3 * 64,)


def test_our_deepnet_is_what_the_text_leaves_of_it():
    """Would catch our own choice passing for the paper's network, or breaking what little is known of it."""
    spec = _spec("urfb-deepnet")
    assert "our choice" in spec.source
    kinds = [layer.kind for layer in spec.layers]
    assert "sum" not in kinds
    assert kinds.count("dropout") == 2
    first = kinds.index("dropout")
    assert "conv2d" in kinds[:first]
    assert "conv2d" in kinds[first:]


@pytest.mark.parametrize("name", ["urfb-simpnet", "urfb-deepernet", "urfb-deepnet-s", "urfb-deepnet"])
def test_urfb_networks_run_and_every_weight_gets_a_gradient(name):
    """Would catch a network right on paper only."""
    network = build(shapes_of(_spec(name), *CIFAR10), Generator().manual_seed(0)).eval()
    logits = network(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    assert all(bool(p.grad.any()) for p in network.parameters())
    assert any(isinstance(m, Conv2d) for m in network.maps.values())


GEVB_WEIGHTS = {
    ("mnist", "fc"): (8_552_960, 1_332_224),
    ("mnist", "conv"): (1_630_848, 1_634_880),
    ("mnist", "lc"): (5_670_912, 3_648_000),
    ("cifar10", "fc"): (32_244_224, 3_937_280),
    ("cifar10", "conv"): (1_366_784, 1_289_600),
    ("cifar10", "lc"): (62_456_064, 18_355_200),
}
"""Of the vectorized and the conventional network (FACTS §1.2); biases are not among them."""

GEVB_NETWORKS = [
    (data, net, family, sign)
    for data, net in GEVB_WEIGHTS
    for family in ("vectorized", "conventional")
    for sign in ("nonnegative", "mixed")
]


def _gevb(data, net, family, sign):
    spec = _spec(f"gevb-{data}-{net}-{family}-{sign}")
    return spec, shapes_of(spec, *(((1, 28, 28), 10) if data == "mnist" else CIFAR10))


def _without_biases(spec):
    plain = spec.model_dump()
    return ChainArchitecture.model_validate({**plain, "defaults": {**plain["defaults"], "bias": False}})


@pytest.mark.parametrize(("data", "net", "family", "sign"), GEVB_NETWORKS)
def test_gevb_networks_have_the_weights_of_their_code(data, net, family, sign):
    """Would catch a first segment without its K copies, a readout of another kind, or Table 4's 512 units for 256."""
    spec, plan = _gevb(data, net, family, sign)
    shape = (1, 28, 28) if data == "mnist" else (3, 32, 32)
    weights = shapes_of(_without_biases(spec), shape, 10).parameters
    assert weights == GEVB_WEIGHTS[data, net][family == "conventional"]
    assert all(segment.bias for segment in plan.segments)
    assert (plan.form, plan.nonnegative) == (
        "vectorized" if family == "vectorized" else "ordinary",
        sign == "nonnegative",
    )
    gate = "vector_gate" if family == "vectorized" else "scalar_gate"
    assert [s.activation for s in plan.segments] == [gate] * (len(plan.segments) - 1) + ["identity"]


@pytest.mark.parametrize(("data", "net", "family", "sign"), GEVB_NETWORKS)
def test_gevb_networks_start_as_in_their_code(data, net, family, sign):
    """Would catch He's gain in the first segment, or pairs of channels where the code pairs pixels, and the reverse."""
    _, plan = _gevb(data, net, family, sign)
    first, *later = [(s.initialization.scheme, s.initialization.on_off) for s in plan.segments]
    pairs = "channels" if sign == "nonnegative" else "none"
    assert first == ("lecun_normal", pairs)
    expected = [("he_normal", pairs)] * len(later)
    if (family, sign) == ("conventional", "nonnegative") and net != "fc":
        expected[-2] = ("he_normal", "adjacent")
    assert later == expected


@pytest.mark.parametrize(
    ("data", "net", "family", "shapes"),
    [
        ("mnist", "conv", "vectorized", [(64, 28, 28), (32, 14, 14), (1024,), (1,)]),
        ("mnist", "lc", "conventional", [(32, 28, 28), (32, 14, 14), (1024,), (10,)]),
        ("cifar10", "conv", "conventional", [(128, 32, 32), (64, 16, 16), (64, 4, 4), (1024,), (10,)]),
        ("cifar10", "lc", "vectorized", [(64, 32, 32), (32, 16, 16), (32, 4, 4), (256,), (1,)]),
        ("cifar10", "lc", "conventional", [(64, 32, 32), (32, 16, 16), (32, 4, 4), (512,), (10,)]),
    ],
)
def test_gevb_networks_have_the_papers_shapes(data, net, family, shapes):
    for sign in ("nonnegative", "mixed"):
        assert [s.output_shape for s in _gevb(data, net, family, sign)[1].segments] == shapes


@pytest.mark.parametrize("family", ["vectorized", "conventional"])
def test_the_first_segment_of_a_gevb_network_has_the_spread_of_the_pixels_not_of_their_copies(family):
    """The code divides by the K times larger fan-in and multiplies by the root of K: 1/sqrt(784) in both forms."""
    _, plan = _gevb("mnist", "fc", family, "mixed")
    weights = [p for name, p in build(plan, Generator().manual_seed(0)).named_parameters() if name.endswith("weight")]
    assert float(weights[0].detach().std()) == pytest.approx(784**-0.5, rel=0.01)
    assert float(weights[1].detach().std()) == pytest.approx((2 / 1024) ** 0.5, rel=0.01)


def test_lenet_5_has_the_number_of_parameters_everybody_counts():
    """Would catch a padding or a pool that leaves another size before the dense segments: 400 inputs."""
    plan = shapes_of(_spec("lenet5"), (1, 28, 28), 10)
    assert plan.parameters == 61_706
    assert [s.output_shape for s in plan.segments] == [(6, 28, 28), (16, 10, 10), (120,), (84,), (10,)]


def test_alexnet_is_torchvisions_with_norms_for_biases():
    """Oracle: torchvision's AlexNet, 61,100,840 parameters; a norm has two for a channel, a bias had one."""
    plan = shapes_of(_spec("alexnet-norm"), (3, 224, 224), 1000)
    channels = [64, 192, 384, 256, 256, 4096, 4096]
    assert [s.output_shape[0] for s in plan.segments[:-1]] == channels
    assert plan.parameters == 61_100_840 + sum(channels)
    assert [s.norm for s in plan.segments] == ["batch"] * 7 + ["none"]


@pytest.mark.parametrize(("name", "tied"), [("target-imagenet-conv", True), ("target-imagenet-lc", False)])
def test_the_target_papers_imagenet_network(name, tied):
    """Would catch widths that are not halved, or a size rounded down where TensorFlow's SAME rounds up."""
    plan = shapes_of(_spec(name), (3, 224, 224), 1000)
    sizes = [s.output_shape for s in plan.segments[:-1]]
    assert sizes == [(24, 56, 56), (24, 28, 28), (48, 28, 28), (48, 14, 14), (96, 14, 14), (96, 7, 7), (192, 7, 7)]
    fans = [243, 216, 600, 432, 432, 864, 864]  # FACTS §4.2, what one unit sums over
    filters = sum(c * (fan + 1) * (1 if tied else h * w) for (c, h, w), fan in zip(sizes, fans, strict=True))
    assert plan.parameters == filters + (192 * 49 + 1) * 1000
    assert all(s.initialization.scheme == "orthogonal" for s in plan.segments)
