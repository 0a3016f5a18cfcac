"""Cost of replaced feedback: from forward to gradients, relative to plain autograd in the same network.

    python benchmarks/feedback_rules.py [--layouts N] [--turns N] [--rules NAME …] [--networks NAME …] [--smoke]

A rule with a phase of its own after each step (``traits.separate_phase``: a weight mirror's mirror batch) is timed with
it; what others do after a step belongs to the update and is left out. Everything is measured in one process, the
rule and plain autograd taking turns, each in a network of its own, both built anew several times: where the allocator
happens to put weights and gradients moves a ratio by a few hundredths for a network's whole life. Printed are medians
over all turns and, in brackets, quartiles. Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from pairing import SMOKE, Scale, add_smoke, paired, quartiles, report, settle_machine

from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.networks.network import Network
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture

BATCH = 128
RULES = ("feedback_alignment", "sign_symmetry", "kolen_pollack", "updated_random_feedback", "weight_mirror")
CONV = {"kind": "conv2d", "kernel": 3, "padding": 1}
POOL = {"kind": "max_pool", "size": 2}
# dense: 784-1024-512-10. conv: 3x32x32, then 32, 32 and 64 channels with pools between, then 128 units.
NETWORKS = {
    "dense": ((784,), [{"kind": "dense", "units": 1024}, {"kind": "dense", "units": 512}]),
    "conv": (
        (3, 32, 32),
        [
            {**CONV, "channels": 32},
            POOL,
            {**CONV, "channels": 32},
            POOL,
            {**CONV, "channels": 64},
            {"kind": "dense", "units": 128},
        ],
    ),
}
GOALS = {f"{rule} / autograd, dense": "<= 1.10" for rule in RULES} | {"weight_mirror / autograd, dense": "<= 2.20"}


def make_network(name: str) -> Network:
    input_shape, layers = NETWORKS[name]
    spec = ChainArchitecture.model_validate({"name": "timed", "kind": "chain", "layers": layers})
    return build(shapes_of(spec, input_shape, 10), torch.Generator().manual_seed(0))


def ratios(rule_name: str, network_name: str, layout: int, scale: Scale) -> list[float]:
    # A block of another size each time, so that what follows lies elsewhere.
    _shift = torch.empty(100_003 * (layout + 1))
    generator = torch.Generator().manual_seed(layout)
    inputs = torch.rand(scale.batch, *NETWORKS[network_name][0], generator=generator)
    batch = Batch(inputs, torch.randint(0, 10, (scale.batch,), generator=generator), CrossEntropy())
    bare, network = make_network(network_name), make_network(network_name)
    rule = installed_registry().rule(rule_name)()
    rule.attach(network, generator)

    def autograd() -> None:
        bare.zero_grad(set_to_none=True)
        batch.criterion(bare(batch.inputs), batch.targets).backward()

    def through_rule() -> None:
        network.zero_grad(set_to_none=True)
        rule.assign_credit(batch)
        if rule.traits.separate_phase:
            rule.after_update()

    return paired(autograd, through_rule, scale.turns, scale.calls)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layouts", type=int, default=4)
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--rules", nargs="+", default=RULES)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    scale = SMOKE if arguments.smoke else Scale(BATCH, arguments.layouts, arguments.turns, calls=5)
    settle_machine(f"batch {scale.batch}")
    rows = (
        (
            f"{rule} / autograd, {network}",
            quartiles([r for layout in range(scale.layouts) for r in ratios(rule, network, layout, scale)]),
        )
        for network in arguments.networks
        for rule in arguments.rules
    )
    report(rows, GOALS, arguments.json)


if __name__ == "__main__":
    main()
