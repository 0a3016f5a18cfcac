"""Runs that the campaigns disturb: a rule in a small network on scikit-learn's digits, under an executor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

ExecutorName = Literal["inline", "local", "torchrun", "ray"]

Spec = dict[str, Any]

DIGITS: Spec = {
    "name": "digits",
    "title": "Digits",
    "kind": "digits",
    "normalization": {"mean": [0.5], "std": [0.5]},
}
SHIFTED: Spec = DIGITS | {"augmentation": {"kind": "crop_and_flip", "padding": 1}}

DROPOUT: Spec = {"kind": "dropout", "probability": 0.3}
CONV: list[Spec] = [
    {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1},
    {"kind": "max_pool", "size": 2},
    DROPOUT,
    {"kind": "dense", "units": 32},
]
DENSE: list[Spec] = [{"kind": "dense", "units": 64}, DROPOUT, {"kind": "dense", "units": 32}]
SQUARE: list[Spec] = [{"kind": "dense", "units": 64}, {"kind": "dense", "units": 64}]
UNTIED: list[Spec] = [
    CONV[0],
    {"kind": "locally_connected2d", "channels": 8, "kernel": 3, "padding": 1},
    *CONV[1:],
]
TIED: list[Spec] = [CONV[0], {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1}, *CONV[1:]]
NORMED: Spec = {"defaults": {"norm": "batch"}}
LEAKY: Spec = {"kind": "leaky_relu", "slope": 0.1}
INVERTIBLE: Spec = {"form": "invertible", "defaults": {"activation": LEAKY}, "readout": {"activation": LEAKY}}

ADAM: Spec = {"kind": "adam", "learning_rate": 1e-3}
SGD: Spec = {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9}
VECTORIZED: Spec = {"form": "vectorized", "defaults": {"activation": "vector_gate"}}
NONNEGATIVE: Spec = {
    "form": "vectorized",
    "weight_sign": "nonnegative",
    "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "adjacent"}},
}


def chain(layers: list[Spec], **more: Any) -> Spec:
    """Return the spec of a network."""
    return {"name": "small", "title": "Small", "kind": "chain", "layers": layers, **more}


@dataclass(frozen=True)
class Combination:
    """A rule in a network, on data, under an executor.

    Attributes:
        rule: its name.
        network: for people.
        executor: local workers, the command's own process, two ranks of torchrun, or Ray.
        architecture: spec of the network.
        dataset: spec of the data.
        optimizer: of the training.
        pretraining: spec of a first training; None for none.
        epochs: of the training.
        config: of the rule.

    """

    rule: str
    network: str
    executor: ExecutorName
    architecture: Spec
    dataset: Spec
    optimizer: Spec
    pretraining: Spec | None = None
    epochs: int = 10
    config: Spec | None = None

    @property
    def name(self) -> str:
        """Return a name that differs between combinations."""
        return f"{self.executor}-{self.track}"

    @property
    def track(self) -> str:
        """Return the name of the track, which is the same under every executor, and so are the ids of its runs."""
        return f"{self.rule.replace('_', '-')}-{self.network.replace(', ', '-').replace(' ', '-')}"

    def write_track(self, folder: Path) -> Path:
        """Write the track into a folder and return the file."""
        track: Spec = {
            "title": self.network,
            "description": "A small run that is disturbed.",
            "source": "ours",
            "dataset": self.dataset,
            "architecture": self.architecture,
            "protocol": {"epochs": self.epochs, "batch_size": 32, "optimizer": self.optimizer},
            "diagnostics": {"names": ["credit_angle_deg"], "every_epochs": 2, "every_steps": 40, "examples": 32},
            "tiers": {"smoke": {}, "quick": {}, "paper": {}},
        }
        if self.pretraining:
            track["pretraining"] = self.pretraining
        if self.config:
            track["rules"] = {self.rule: {"config": self.config}}
        path = folder / f"{self.track}.yaml"
        text = yaml.safe_dump(track, sort_keys=False)
        if not path.exists():  # a command that was started before may be reading it
            path.write_text(text, encoding="utf-8")
        return path


COMBINATIONS = (
    Combination("backprop", "conv, dropout, augmentation", "local", chain(CONV), SHIFTED, ADAM),
    Combination("weight_mirror", "dense, dropout", "local", chain(DENSE), DIGITS, SGD),
    Combination(
        "normalized_gait_prop",
        "invertible, float64 targets",
        "local",
        chain(SQUARE, **INVERTIBLE),
        DIGITS,
        ADAM,
        config={"precision": "float64"},
    ),
    Combination(
        "gevb",
        "vectorized, nonnegative",
        "local",
        chain(SQUARE, **NONNEGATIVE),
        DIGITS,
        ADAM,
    ),
    Combination(
        "updated_random_feedback",
        "untied, pretrained, dropout, augmentation",
        "local",
        chain(UNTIED),
        SHIFTED,
        SGD,
        pretraining={"epochs": 3, "keep": ["conv1"], "architecture": chain(TIED) | {"name": "tied"}, "batch_size": 64},
        epochs=6,
    ),
    Combination("kolen_pollack", "conv, batch norm, augmentation", "inline", chain(CONV, **NORMED), SHIFTED, SGD),
    Combination("node_perturbation", "dense, dropout", "inline", chain(DENSE), DIGITS, ADAM),
    Combination(
        "gait_prop",
        "invertible, differences",
        "inline",
        chain(SQUARE, **INVERTIBLE),
        DIGITS,
        ADAM,
        config={"form": "differences", "precision": "float32"},
    ),
    Combination("direct_feedback_alignment", "dense, dropout", "torchrun", chain(DENSE), DIGITS, ADAM),
    Combination("weight_mirror", "conv, dropout, augmentation", "torchrun", chain(CONV), SHIFTED, SGD),
    Combination(
        "difference_target_propagation",
        "dense, tanh",
        "local",
        chain(SQUARE, defaults={"activation": "tanh"}),
        DIGITS,
        ADAM,
    ),
    Combination("kolen_pollack", "conv, dropout, augmentation", "ray", chain(CONV), SHIFTED, SGD),
    Combination("gevb", "vectorized", "ray", chain(SQUARE, **VECTORIZED), DIGITS, ADAM),
)
