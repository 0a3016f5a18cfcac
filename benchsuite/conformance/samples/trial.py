"""A small trial: one rule attached to one network, trained as the harness does."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.parameters import parameter_groups
from benchsuite.credit.rule import Rule
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Dropout
from benchsuite.training.step import compute_gradients, training_step, update_weights


@dataclass
class Trial:
    """A rule, its network and all random generators of a run.

    Attributes:
        feedback: the generator that the rule was attached with.
        dropout: the generator that the network's dropout draws from.

    """

    rule: Rule
    network: Network
    optimizer: torch.optim.Optimizer
    feedback: Generator
    dropout: Generator

    @classmethod
    def start(
        cls,
        rule: Rule,
        sample: SampleNetwork,
        *,
        init_seed: int = 1,
        feedback_seed: int = 2,
        dropout_seed: int = 3,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        fresh: bool = True,
    ) -> Trial:
        """Build the network, attach the rule on the CPU, move both to ``device`` and start, in the harness's order.

        Without ``fresh`` the rule's ``before_training`` is left out, as in a run that is about to be resumed.
        """
        network = sample.build(Generator().manual_seed(init_seed)).to(dtype)
        return cls.of(rule, network, feedback_seed=feedback_seed, dropout_seed=dropout_seed, device=device, fresh=fresh)

    @classmethod
    def of(
        cls,
        rule: Rule,
        network: Network,
        *,
        feedback_seed: int = 2,
        dropout_seed: int = 3,
        device: str = "cpu",
        fresh: bool = True,
    ) -> Trial:
        """Attach the rule to a network on the CPU, and start as ``start`` does."""
        feedback = Generator().manual_seed(feedback_seed)
        rule.attach(network, feedback)
        network.to(device)
        rule.to(device)
        dropout = Generator(device).manual_seed(dropout_seed)
        network.set_dropout_generator(dropout)
        optimizer = torch.optim.SGD(parameter_groups(network, rule, 0.05), momentum=0.9, foreach=False)
        if fresh:
            rule.before_training()
        return cls(rule, network, optimizer, feedback, dropout)

    def without_dropout(self) -> Trial:
        """Turn dropout off, so that another forward pass sees the same network; return the trial."""
        for node in self.network.modules():
            if isinstance(node, Dropout):
                node.eval()
        return self

    def step(self, batch: Batch) -> StepResult:
        """Take one full training step, the same as a run's."""
        return training_step(self.network, self.rule, self.optimizer, batch)

    def compute_gradients(self, batch: Batch) -> StepResult:
        """Take the first part of a step only, for checks that look between its parts."""
        return compute_gradients(self.network, self.rule, self.optimizer, batch)

    def update_weights(self) -> None:
        """Take the second part of a step; the last part is ``rule.after_update``."""
        update_weights(self.network, self.optimizer)

    def train(self, batches: Iterable[Batch]) -> Trial:
        """Take one step per batch; return the trial."""
        for batch in batches:
            self.step(batch)
        return self

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Return the gradients that one step leaves, by parameter name; parameters without a gradient are left out."""
        self.compute_gradients(batch)
        return {n: p.grad.clone() for n, p in self.network.named_parameters() if p.grad is not None}

    def backprop_gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Return autograd's own gradients, by parameter name: the oracle for everything about backprop."""
        names, parameters = zip(*self.network.named_parameters(), strict=True)
        loss = batch.criterion(self.network(batch.inputs), batch.targets)
        return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))

    def segment_of(self, parameter: str) -> str:
        """Return the name of the segment that owns a parameter."""
        wanted = self.network.get_parameter(parameter)
        return next(n for n, s in self.network.segments.items() if any(p is wanted for p in s.parameters()))

    def state(self) -> dict[str, Any]:
        """Return copies of everything that training may change, generators included."""
        return {
            **{f"network {n}": v.clone() for n, v in self.network.state_dict().items()},
            **{f"rule {n}": _copied(v) for n, v in self.rule.state_dict().items()},
            "feedback stream": self.feedback.get_state(),
            "dropout stream": self.dropout.get_state(),
        }

    def checkpoint(self) -> bytes:
        """Return the checkpoint that the harness would write: plain data only."""
        buffer = io.BytesIO()
        torch.save(
            {
                "network": self.network.state_dict(),
                "rule": self.rule.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "dropout": self.dropout.get_state(),
            },
            buffer,
        )
        return buffer.getvalue()

    def resume(self, checkpoint: bytes) -> Trial:
        """Load a checkpoint, as a new process does after attaching; return the trial."""
        saved = torch.load(io.BytesIO(checkpoint), weights_only=True)
        self.network.load_state_dict(saved["network"])
        self.rule.load_state_dict(saved["rule"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.dropout.set_state(saved["dropout"])
        return self


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return the names whose values are not bit for bit the same, or that only one side has."""
    return [n for n in {**first, **second} if n not in first or n not in second or not _same(first[n], second[n])]


def cosine(first: Iterable[Tensor], second: Iterable[Tensor]) -> float:
    """Return the cosine between two lists of tensors, each taken as one long vector; 0 if one is all zero."""
    a = torch.cat([t.flatten() for t in first]).double()
    b = torch.cat([t.flatten() for t in second]).double()
    length = float(a.norm() * b.norm())
    return float(a @ b) / length if length > 0 else 0.0


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        if first.dtype != second.dtype or first.shape != second.shape:
            return False
        return bool(torch.equal(first, second) or (torch.allclose(first, second, 0, 0, equal_nan=True)))
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return not differing(first, second)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)
