"""A CUDA graph's stand-in on a CPU: the operations of one call, done again on the same memory.

As with a graph, Python does not run again: what the host decided, and which tensors it had in hand, stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Operations below autograd, with the tensors that they read and wrote."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._operations: list[tuple[Callable[..., Any], Any, Any, Any]] = []
        self.replays = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._operations.append((func, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        """Do all operations again; random numbers are drawn anew."""
        self.replays += 1
        for func, args, kwargs, there in self._operations:
            for old, new in zip(tree_leaves(there), tree_leaves(func(*args, **kwargs)), strict=True):
                # A view, or the result of an operation in place, is in its memory already.
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new)
