"""Rules attached to small networks of every kind, in float64 and evaluation mode, as diagnostics get them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from benchsuite.credit.rule import Rule
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.architecture import ChainArchitecture

Attach = Callable[..., Rule]


@pytest.fixture
def attach(registry: Registry) -> Attach:
    """Return a function that attaches a rule, by name, to a chain of layers; four classes unless told otherwise."""

    def attached(
        name: str,
        layers: list[Mapping[str, Any]],
        input_shape: tuple[int, ...] = (5,),
        classes: int = 4,
        frozen: tuple[str, ...] = (),
        form: Mapping[str, Any] | None = None,
        **config: Any,
    ) -> Rule:
        spec = {"name": "a", "kind": "chain", "layers": layers, **(form or {})}
        architecture = ChainArchitecture.model_validate(spec)
        network = build(shapes_of(architecture, input_shape, classes), torch.Generator().manual_seed(0)).double()
        for parameter in (p for n, p in network.named_parameters() if n.startswith(frozen or "-")):
            parameter.requires_grad_(False)
        rule_type = registry.rule(name)
        rule = rule_type(rule_type.Config(**config))
        rule.attach(network, torch.Generator().manual_seed(1))
        network.eval()
        rule.eval()
        return rule

    return attached
