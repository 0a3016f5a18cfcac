"""Build a run's initial state without running it: network, rule and the diagnostics' batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.data.open import open_data
from benchsuite.execution.loading import DataLoader
from benchsuite.networks.criterion import criterion_of
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.track import RuleSpec, RunSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.seeds import derive_seeds


@dataclass(frozen=True)
class InitialState:
    """A rule attached to its network, on its device, and the batch that diagnostics are measured on.

    Attributes:
        rule: with its ``network``; ``before_training`` has not been called.
        batch: the first examples of the training set.
        device_name: name of the device, for the record.

    """

    rule: Rule
    batch: Batch
    device_name: str


def initial_state(
    spec: RunSpec, registry: Registry, loader: DataLoader, rule_config: dict[str, Any] | None = None
) -> InitialState:
    """Return the state with which a run starts, without frozen segments if the run has a first training.

    Args:
        spec: the run, with resolved hardware; the process's threads and precision are set as it says.
        registry: provides the rule and plugins' architectures.
        loader: loads the data set.
        rule_config: hyperparameters in place of the run's.

    Raises:
        IncompatibleError: if the rule cannot work in the network.
        DataError: if the data set is missing or damaged.

    """
    device = open_device(spec.hardware)
    data = open_data(loader.load(spec.dataset).dataset, spec.dataset, device.torch_device, dtype=device.dtype)
    rule = spec.rule if rule_config is None else RuleSpec(name=spec.rule.name, config=rule_config)
    parts = TrainingSpecs(spec.architecture, spec.protocol, rule, derive_seeds(spec.seed))
    trainer = assemble(parts, data, device, registry)
    inputs, targets = next(data.train_slices(spec.diagnostics.examples))
    return InitialState(trainer.rule, Batch(inputs, targets, criterion_of(spec.protocol.loss)), device.used.device_name)
