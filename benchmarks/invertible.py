"""Cost of targets: from forward to gradients, relative to plain autograd in the same invertible network.

    python benchmarks/invertible.py [--layouts N] [--turns N] [--rules NAME …] [--networks NAME …] [--precisions P …]

Inverses are included: every step factorizes every matrix but the first anew, as training does after every update. The
orthogonality regulariser is not: it belongs to the protocol, whatever the rule. Everything is measured in one process,
the rule and plain autograd taking turns, each in a network of its own, both built anew several times. Printed are
medians over all turns and, in brackets, quartiles. Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from pairing import SMOKE, Scale, add_smoke, paired, quartiles, report, settle_machine

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.gait_prop import GaitProp
from benchsuite_rules.normalized_gait_prop import NormalizedGaitProp
from benchsuite_rules.target_propagation import TargetPropagation

BATCH = 128
RULES: dict[str, type[Rule]] = {r.name: r for r in (TargetPropagation, GaitProp, NormalizedGaitProp)}
CONV = {"kind": "conv2d", "kernel": 3, "padding": 1}
# dense: the published code's, 4 hidden layers of 784 and a readout of 784. conv: 3x32x32, then 27, 144, 216 and 288
# channels of which 16, 24, 32 and 32 are passed on, at half the size after two of them.
NETWORKS = {
    "dense": ((784,), [{"kind": "dense", "units": 784}] * 4),
    "conv": (
        (3, 32, 32),
        [
            {**CONV, "channels": 16},
            {**CONV, "channels": 24, "stride": 2},
            {**CONV, "channels": 32, "stride": 2},
            {**CONV, "channels": 32, "stride": 2},
            {"kind": "dense", "units": 256},
        ],
    ),
}
GOALS = {
    "normalized_gait_prop in weights' type / autograd, dense": "<= 3.00",
    "normalized_gait_prop in weights' type / autograd, conv": "<= 4.00",
}
PRECISIONS = {"weights": None, "float64": "float64"}


def make_network(name: str) -> Network:
    input_shape, layers = NETWORKS[name]
    spec = ChainArchitecture.model_validate(
        {
            "name": "timed",
            "kind": "chain",
            "form": "invertible",
            "layers": layers,
            "defaults": {
                "activation": {"kind": "leaky_relu", "slope": 0.1},
                "initialization": {"scheme": "orthogonal"},
            },
        }
    )
    return build(shapes_of(spec, input_shape, 10), torch.Generator().manual_seed(0))


def ratios(rule_name: str, precision: str, network_name: str, layout: int, scale: Scale) -> list[float]:
    # A block of another size each time, so that what follows lies elsewhere.
    _shift = torch.empty(100_003 * (layout + 1))
    generator = torch.Generator().manual_seed(layout)
    inputs = torch.rand(scale.batch, *NETWORKS[network_name][0], generator=generator)
    batch = Batch(inputs, torch.randint(0, 10, (scale.batch,), generator=generator), CrossEntropy())
    bare, network = make_network(network_name), make_network(network_name)
    rule_type = RULES[rule_name]
    rule = rule_type(rule_type.Config.model_validate({"precision": PRECISIONS[precision]}))
    rule.attach(network, generator)

    def autograd() -> None:
        bare.zero_grad(set_to_none=True)
        batch.criterion(bare(batch.inputs), batch.targets).backward()

    def through_rule() -> None:
        network.zero_grad(set_to_none=True)
        rule.assign_credit(batch)

    return paired(autograd, through_rule, scale.turns, scale.calls)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=4)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--precisions", nargs="+", choices=list(PRECISIONS), default=list(PRECISIONS))
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    scale = SMOKE if arguments.smoke else Scale(BATCH, arguments.layouts, arguments.turns, calls=3)
    settle_machine(f"batch {scale.batch}")
    type_of = {"weights": "weights' type", "float64": "float64"}
    rows = (
        (
            f"{rule} in {type_of[precision]} / autograd, {network}",
            quartiles([r for layout in range(scale.layouts) for r in ratios(rule, precision, network, layout, scale)]),
        )
        for network in (arguments.networks[-1:] if arguments.smoke else arguments.networks)
        for rule in arguments.rules
        for precision in (arguments.precisions[:1] if arguments.smoke else arguments.precisions)
    )
    report(rows, GOALS, arguments.json)


if __name__ == "__main__":
    main()
