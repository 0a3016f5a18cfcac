"""Rules, networks and protocols for the tests of recorded, compiled and captured steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.registry.manager import installed_registry
from benchsuite_rules.backprop import Backprop

from ..small_runs import VECTORIZED

DENSE = {"layers": [{"kind": "dense", "units": 12}, {"kind": "dense", "units": 10}]}
FORMS: dict[str, dict[str, Any]] = {
    "ordinary": {},  # convolution, batch norm, pooling, dropout
    "bounded": {  # for rules that do without norms or need bounded units
        "defaults": {"activation": "hard_sigmoid"},
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 12},
        ],
    },
    "vectorized": VECTORIZED,
    "invertible": {
        "form": "invertible",
        "defaults": {"activation": {"kind": "leaky_relu", "slope": 0.1}, "initialization": {"scheme": "orthogonal"}},
        "layers": [{"kind": "dense", "units": 16}, {"kind": "dense", "units": 16}],
    },
}
OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001},
    {"kind": "adam", "learning_rate": 0.01},
    {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.01},
)
AUGMENTED = {"augmentation": {"kind": "crop_and_flip", "padding": 1}}
EPOCHS = 10
"""Of four full batches and a shorter one: 50 steps."""


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every rule in one of its forms, backprop in all; optimizers take turns."""
    for number, (name, rule) in enumerate(sorted(installed_registry().rules.items())):
        ordinary = "bounded" if not rule.traits.norms or rule.traits.activations is not None else "ordinary"
        forms = [ordinary if form == "ordinary" else form for form in FORMS if form in rule.traits.forms]
        for form in forms if name == "backprop" else forms[-1:] if number % 2 else forms[:1]:
            yield name, form, OPTIMIZERS[number % len(OPTIMIZERS)]


CASES = list(cases())


def protocol(**changes: Any) -> dict[str, Any]:
    return {"epochs": EPOCHS, "schedule": {"kind": "cosine"}, **changes}


class Impatient(Backprop):
    """Backprop that stops when it has converged."""

    def assign_credit(self, batch: Batch) -> StepResult:
        result = super().assign_credit(batch)
        if float(result.loss) > 1e9:
            raise RuntimeError
        return result
