"""Measure what a rule keeps: all that can be reached from it, from its class and from its module."""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor

from benchsuite.credit.rule import Rule


@dataclass(frozen=True)
class Kept:
    """Sizes of what is kept.

    Attributes:
        objects: number of objects, such as entries of a list.
        tensor_bytes: bytes of tensors, each storage once.
        graph_nodes: nodes of autograd's graph that kept tensors hold on to.

    """

    objects: int
    tensor_bytes: int
    graph_nodes: int

    def grown_since(self, earlier: Kept) -> bool:
        """Return True if any of the sizes is larger than before."""
        return (
            self.objects > earlier.objects
            or self.tensor_bytes > earlier.tensor_bytes
            or self.graph_nodes > earlier.graph_nodes
        )

    def __str__(self) -> str:
        """Return the sizes in words."""
        return f"{self.objects} objects, {self.tensor_bytes} bytes of tensors, {self.graph_nodes} nodes of graphs"


def kept_by(rule: Rule) -> Kept:
    """Return the sizes of all that a rule holds on to, its network and the globals of its own modules included."""
    tensors, objects = _all_kept_by(rule)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return Kept(objects, sum(storages.values()), _graph_nodes(tensors))


def tensors_kept_by(rule: Rule) -> list[Tensor]:
    """Return all tensors that a rule holds on to, its network and the globals of its own modules included."""
    return _all_kept_by(rule)[0]


def _all_kept_by(rule: Rule) -> tuple[list[Tensor], int]:
    """Return the tensors that can be reached from a rule, and the number of all objects."""
    own = [kind for kind in type(rule).__mro__ if kind.__module__.partition(".")[0] not in _NOT_THE_RULES]
    roots: list[Any] = [vars(rule), vars(rule.network)]
    for place in (*own, *(sys.modules.get(kind.__module__) for kind in own)):
        shared = vars(place) if place else {}
        roots += [value for name, value in shared.items() if isinstance(value, _STORES) and not name.startswith("__")]
    tensors: list[Tensor] = []
    objects = 0
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        objects += 1
        if isinstance(each, Tensor):
            tensors.append(each)
        # A function refers to all globals of its module; what it keeps itself is in its closure.
        held = each.__closure__ or () if isinstance(each, FunctionType) else gc.get_referents(each)
        waiting += [found for found in held if not isinstance(found, type | ModuleType)]
    return tensors, objects


_NOT_THE_RULES = {"benchsuite", "torch", "abc", "builtins", "typing"}
"""Packages of base classes that keep nothing for a rule; typing's caches alone are thousands of objects."""
_STORES = (list, dict, set, deque, Tensor)
"""Types of containers in which a class or a module keeps objects."""


def _graph_nodes(tensors: Iterable[Tensor]) -> int:
    waiting = [t.grad_fn for t in tensors if t.grad_fn is not None]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions if before is not None]
    return len(seen)
