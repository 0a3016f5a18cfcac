"""Check that the rule learns: real data (scikit-learn's bundled digits), a fixed budget, a minimum accuracy."""

from __future__ import annotations

from functools import cache

import torch
from torch import Generator, Tensor

from benchsuite.conformance.kit.settings import ConformanceSettings, require
from benchsuite.conformance.samples.trial import Trial
from benchsuite.credit.batch import Batch
from benchsuite.credit.parameters import parameter_groups
from benchsuite.errors import IncompatibleError
from benchsuite.networks.criterion import CRITERIA

_TRAINING_EXAMPLES = 1_297
_BATCH = 64


class LearningChecks(ConformanceSettings):
    """Checks that gradients of the right form also reduce the error."""

    def test_learns_digits(self) -> None:
        """Catches credit of the wrong sign or scale, which passes every check of form."""
        refusals = self.refusals(self.digits_network.shapes)
        require(
            not refusals,
            asks="a network in which the rule learns scikit-learn's digits",
            seen=refusals,
            remedy="set `learning_network = SampleNetwork(...)` with input (64,) or (1, 8, 8) and 10 classes",
        )
        floor = self.learning_floor or (0.8 if self.rule.traits.trains_hidden else 0.5)
        try:
            accuracy = self.digits_accuracy()
        except IncompatibleError as error:
            require(
                False,
                asks="a network in which the rule learns scikit-learn's digits",
                seen=error,
                remedy="set `learning_network = SampleNetwork(...)` with input (64,) or (1, 8, 8) and 10 classes",
            )
        require(
            accuracy >= floor,
            asks=f"a test accuracy of at least {floor} on digits (chance is 0.1; set learning_floor to "
            "ask for more or less)",
            seen=f"{accuracy:.3f} after {self.learning_epochs} epochs of Adam at {self.learning_rate}",
            remedy="look at the sign of the credit (the optimizer descends: credit at a segment is dL/doutput, not its "
            "negative) and its scale (divided by the batch once)",
        )

    def digits_accuracy(self) -> float:
        """Return the test accuracy after the fixed budget."""
        rule = self.make_rule() if self.learning_config is None else self.rule(self.learning_config)
        trial = Trial.start(rule, self.digits_network)
        groups = parameter_groups(trial.network, trial.rule, self.learning_rate)
        trial.optimizer = torch.optim.Adam(groups, foreach=False)
        inputs, targets = digits()
        inputs = inputs.view(-1, *self.digits_network.input_shape)
        criterion = CRITERIA[self.digits_network.for_losses(rule.traits.losses).criterion]
        order = Generator().manual_seed(4)
        for _ in range(self.learning_epochs):
            shuffled = torch.randperm(_TRAINING_EXAMPLES, generator=order)
            for start in range(0, _TRAINING_EXAMPLES - _BATCH, _BATCH):
                chosen = shuffled[start : start + _BATCH]
                trial.step(Batch(inputs[chosen], targets[chosen], criterion))
        return _accuracy(trial, inputs[_TRAINING_EXAMPLES:], targets[_TRAINING_EXAMPLES:])


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits in a fixed shuffled order, scaled to mean 0 and standard deviation 1."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=Generator().manual_seed(0))
    inputs = torch.tensor(bunch.data, dtype=torch.float32)
    return ((inputs - inputs.mean()) / inputs.std())[order], torch.tensor(bunch.target, dtype=torch.int64)[order]


def _accuracy(trial: Trial, inputs: Tensor, targets: Tensor) -> float:
    trial.network.eval()
    trial.rule.eval()
    with torch.no_grad():
        return float((trial.rule.predict(inputs).argmax(1) == targets).double().mean())
