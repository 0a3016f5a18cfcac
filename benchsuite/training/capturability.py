"""Tell on any device whether a training step can be captured in a CUDA graph and replayed.

A replayed step does what the captured one did, in the same memory. It cannot decide anything on the host, cannot get
new numbers from there, and reads what was in memory, whichever object a rule has put in its place since.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from benchsuite.credit.rule import Rule
from benchsuite.credit.stream import RandomStream
from benchsuite.training.kept_tensors import tensors_kept_by

_TORCH = str(Path(torch.__file__).parent) + os.sep
_OF_VALUES = "has a shape that depends on values"
_READ = "reads a tensor's value on the host"
_FROM_HOST = "makes a tensor from Python numbers; make it once, in attach, or use a Python number"
_GLOBAL = "draws from torch's global stream; use a RandomStream"
_FOREIGN = "draws from a generator that is neither the network's dropout nor a RandomStream of the rule"
_REPLACED = "reads a tensor of the step before that has been replaced since; update it in place, by copy_"


def why_not_capturable(rule: Rule, step: Callable[[], object], generators: Collection[Generator] = ()) -> list[str]:
    """Take one step and return the reasons why it could not be captured and replayed, each with its place.

    Call it when the rule has taken a step already: what is made once, at the first, is not in the way.

    Args:
        rule: the rule whose step it is.
        step: everything from the batch to ``after_update``, but for the optimizer's own work.
        generators: generators of the harness, such as dropout's.

    """
    streams = [module for module in rule.modules() if isinstance(module, RandomStream)]
    before = tensors_kept_by(rule)  # held until the end, so that no address is used again
    watch = _Watch({_address(tensor) for tensor in before})
    with watch:
        step()
    known = {_identity(each) for each in (*generators, *(stream.made for stream in streams)) if each is not None}
    after = {_address(tensor) for tensor in tensors_kept_by(rule)}
    replaced = [place for address, place in watch.read.items() if address not in after]
    foreign = [place for generator, place in watch.drawn.items() if generator not in known]
    found = [*watch.reasons, *(f"{place} {_FOREIGN}" for place in foreign), *(f"{p} {_REPLACED}" for p in replaced)]
    return list(dict.fromkeys(found))


class _Watch(TorchDispatchMode):
    """Looks at every operation of a step, autograd's included."""

    def __init__(self, kept: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reasons: list[str] = []
        self.drawn: dict[int, str] = {}
        """Generators that numbers were drawn from, and the place that did first."""
        self.read: dict[int, str] = {}
        """Addresses of kept tensors that were read, and the place that did first."""
        self._kept = kept

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = (args, kwargs or {})
        for value in tree_iter(given):
            if isinstance(value, Tensor) and (address := _address(value)) in self._kept and address not in self.read:
                self.read[address] = _place()
        if not _indexes_by_places(func, given):
            self._judge(func, [value for value in tree_iter(given) if isinstance(value, Generator)])
        return func(*args, **(kwargs or {}))

    def _judge(self, func: Any, generators: list[Generator]) -> None:
        tags = func.tags
        if torch.Tag.dynamic_output_shape in tags:
            self._note(_OF_VALUES)
        elif torch.Tag.data_dependent_output in tags or func is torch.ops.aten._local_scalar_dense.default:
            self._note(_READ)
        elif func is torch.ops.aten.lift_fresh.default:
            self._note(_FROM_HOST)
        elif torch.Tag.nondeterministic_seeded in tags:
            for generator in generators:
                self.drawn.setdefault(_identity(generator), _place())
            if not generators:
                self._note(_GLOBAL)

    def _note(self, reason: str) -> None:
        self.reasons.append(f"{_place()} {reason}")


def _indexes_by_places(func: Any, given: Any) -> bool:
    """Return True for an indexing whose shape is known: torch's tag is meant for masks."""
    masks = {torch.bool, torch.uint8}
    by_index = func in {torch.ops.aten.index.Tensor, torch.ops.aten._unsafe_index.Tensor}
    return by_index and not any(isinstance(v, Tensor) and v.dtype in masks for v in tree_iter(given[0][1]))


def _identity(generator: Generator) -> int:
    """Return the number by which torch knows a generator; Python may have several objects for it."""
    return int(generator._cdata)  # type: ignore[attr-defined]


def _address(tensor: Tensor) -> int:
    # Forward-mode derivatives that are zero throughout are tensors without memory.
    return -1 if tensor._is_zerotensor() else tensor.untyped_storage().data_ptr()


def _place() -> str:
    """Return file and line of the innermost frame that is neither torch's nor this module's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:  # traceback would read the source of every frame, for every operation
        name = frame.f_code.co_filename
        if not name.startswith(_TORCH) and name != __file__:
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return "torch"
