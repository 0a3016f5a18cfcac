"""Oracle: the same network with biases of zero. Leaving biases out must change no other number."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture

from ..applicable import possible_pairs

CONV = {"channels": 3, "kernel": 2, "padding": "same"}
CHAINS = {
    "chain": [
        {"kind": "conv2d", **CONV},
        {"kind": "zero_padded_max_pool", "size": 3, "stride": 2},
        {"kind": "locally_connected2d", **CONV},
        {"kind": "dense", "units": 7},
    ],
    "residual": [
        {"kind": "conv2d", **CONV},
        {"kind": "locally_connected2d", **CONV},
        {"kind": "sum"},
        {"kind": "dense", "units": 7},
    ],
}


def _shapes(layers, bias):
    defaults = {"bias": bias, "activation": "saturated_linear", "initialization": {"scheme": "xavier_uniform"}}
    spec = {"kind": "chain", "name": "asked", "layers": layers, "defaults": defaults}
    return shapes_of(ChainArchitecture.model_validate(spec), (2, 5, 5), 4)


def _network(layers, bias):
    return build(_shapes(layers, bias), Generator().manual_seed(0)).double()


PAIRS = possible_pairs({layers: _shapes(chain, bias=False) for layers, chain in CHAINS.items()})


@pytest.mark.parametrize(("rule_name", "layers"), PAIRS)
def test_leaving_biases_out_changes_no_weights_gradient(rule_name, layers):
    """Would catch a rule that forgets a weight where there is no bias, or draws its feedback from another place."""
    rule_type = installed_registry().rule(rule_name)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(6, 2, 5, 5, generator=generator, dtype=torch.float64)
    batch = Batch(inputs, torch.tensor([0, 1, 2, 3, 0, 1]), CRITERIA["one_versus_all_hinge"])
    found = []
    for bias in (True, False):
        network = _network(CHAINS[layers], bias)
        rule = rule_type()
        rule.attach(network, Generator().manual_seed(2))
        rule.double()
        rule.assign_credit(batch)
        found.append({name: m.weight.grad for name, m in network.maps.items()})
        assert all((m.bias is not None) == bias for m in network.maps.values())
    with_bias, without = found
    for name, gradient in without.items():
        if gradient is None:
            assert with_bias[name] is None
        else:
            torch.testing.assert_close(gradient, with_bias[name], rtol=1e-10, atol=1e-12)
    if network.parameter_names([network.readout]) <= rule.untrained:
        assert without["readout"] is None
    else:
        assert without["readout"].any()
