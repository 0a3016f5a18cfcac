"""Count the multiply-accumulates of a rule's step where torch makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchsuite.conformance.samples.trial import Trial
from benchsuite.credit.batch import Batch


class CountedProducts(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sum of the operations of matrix products, convolutions, factorizations and solves within the block.

    torch's own FlopCounterMode does that too, but knows no factorizations, and forbids gradients by leaves.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: float = 0.0

    @property
    def macs(self) -> float:
        """Multiply-accumulates: half the operations."""
        return self.operations / 2

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        packet = func._overloadpacket
        if packet in flop_registry:
            self.operations += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif packet in _SOLVERS:
            self.operations += _SOLVERS[packet](*args, **(kwargs or {}))
        return out


def macs_of_step(trial: Trial, batch: Batch) -> float:
    """Return the multiply-accumulates of ``assign_credit`` and ``after_update`` on one batch."""
    counted = CountedProducts()
    with counted:
        trial.compute_gradients(batch)
        trial.rule.after_update()
    return counted.macs


def _factorize(matrix: torch.Tensor, *_: object, **__: object) -> float:
    return 2 / 3 * float(matrix.shape[-1]) ** 3


def _invert(matrix: torch.Tensor, *_: object, **__: object) -> float:
    return 2.0 * matrix.shape[-1] ** 3


def _solve_factorized(factors: torch.Tensor, _pivots: object, right: torch.Tensor, **__: object) -> float:
    return 2.0 * factors.shape[-1] * right.numel()


def _solve(matrix: torch.Tensor, right: torch.Tensor, **__: object) -> float:
    return _factorize(matrix) + 2.0 * matrix.shape[-1] * right.numel()


aten = torch.ops.aten
_SOLVERS: dict[Any, Callable[..., float]] = {
    aten.linalg_lu_factor_ex: _factorize,
    aten.linalg_inv_ex: _invert,
    aten.linalg_lu_solve: _solve_factorized,
    aten._linalg_solve_ex: _solve,
}
"""Operations by a factorization of n × n (2/3 n³), an inverse (2 n³), and a solve (2 n² per column)."""
