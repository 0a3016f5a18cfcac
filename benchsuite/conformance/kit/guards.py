"""Guards around a rule: detect changes to global state, and reads of device values on the host."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from benchsuite.conformance.samples.trial import differing
from benchsuite.credit.batch import Batch
from benchsuite.errors import HostReadError
from benchsuite.networks.network import Network

_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
)


class GlobalState:
    """Snapshot of everything outside a rule that the rule could change.

    Weights, flags, modes and hooks of the network, the batch, and the process's own settings and random streams.
    ``with_averages`` includes batch norm's buffers, which a training forward pass moves and nothing else may.
    """

    def __init__(
        self, network: Network, batch: Batch, *, with_weights: bool = True, with_averages: bool = False
    ) -> None:
        self.network, self.batch, self.with_weights, self.with_averages = network, batch, with_weights, with_averages
        self.before = self._now()

    def changes(self) -> list[str]:
        """Return the differences since the snapshot, in words."""
        return differing(self.before, self._now())

    def _now(self) -> dict[str, Any]:
        return {**_process(), **self._network(), **_batch(self.batch)}

    def _network(self) -> dict[str, Any]:
        found: dict[str, Any] = {"autocast_dtype of the network": self.network.autocast_dtype}
        for name, module in self.network.named_modules():
            found[f"training mode of {name or 'the network'}"] = module.training
            found[f"hooks on {name or 'the network'}"] = [len(getattr(module, hooks)) for hooks in _HOOKS]
            found |= _methods(name or "the network", module)
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and not self.with_averages:
                continue
            for buffer, value in module.named_buffers(name, recurse=False):
                found[f"buffer {buffer}"] = value.clone()
        for name, parameter in self.network.named_parameters():
            found[f"requires_grad of {name}"] = parameter.requires_grad
            found[f"hooks on {name}"] = len(parameter._backward_hooks or ())
            found[f"identity of {name} (replaced by another tensor)"] = id(parameter)
            if self.with_weights:
                found[f"value of {name}"] = parameter.detach().clone()
        for name, linear_map in self.network.maps.items():
            found[f"feedback_weight of {name}'s map (left set)"] = linear_map.feedback_weight is None
        return found


def _methods(name: str, module: nn.Module) -> dict[str, Any]:
    """Return a module's class, what hides methods of the class, and the methods that the suite's classes have."""
    own = {key: id(value) for key, value in vars(module).items() if hasattr(type(module), key) and callable(value)}
    found: dict[str, Any] = {f"class of {name}": id(type(module)), f"methods of {name} (replaced)": own}
    for kind in type(module).__mro__:
        if kind.__module__.startswith("benchsuite."):
            methods = {key: id(value) for key, value in vars(kind).items() if callable(value)}
            found[f"methods of the class {kind.__name__} (replaced)"] = methods
    return found


@contextmanager
def disturbed() -> Iterator[Callable[[], None]]:
    """Put the process's streams and flags where no rule puts them, so that a rule which sets any of them is seen.

    A rule that seeds a stream in every step leaves it as it was from the second step on, and one that sets a flag to
    its default changes nothing in a fresh process.

    Yields:
        A function that draws from all global streams, to be called before each snapshot.

    """
    streams = torch.get_rng_state(), random.getstate(), np.random.get_state()
    flags = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()

    def draw() -> None:
        torch.rand(1)
        random.random()  # noqa: S311 - the stream is what matters
        np.random.random()

    torch.backends.cudnn.benchmark = not flags[0]
    torch.set_float32_matmul_precision("high" if flags[1] == "highest" else "highest")
    try:
        draw()
        yield draw
    finally:
        torch.set_rng_state(streams[0])
        random.setstate(streams[1])
        np.random.set_state(streams[2])
        torch.backends.cudnn.benchmark = flags[0]
        torch.set_float32_matmul_precision(flags[1])


def _process() -> dict[str, Any]:
    return {
        "torch's global random stream": torch.get_rng_state(),
        # As a text: compared number by number, the 625 of them would take most of a check's time.
        "Python's global random stream": repr(random.getstate()),
        "NumPy's global random stream": _with_bytes(np.random.get_state(legacy=False)),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's default device": torch.get_default_device(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "number of torch threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomaly detection": torch.is_anomaly_enabled(),
        "float32 matmul precision": torch.get_float32_matmul_precision(),
        "cuDNN flags": (
            torch.backends.cudnn.enabled,
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
        ),
    }


def _with_bytes(state: object) -> object:
    """Return nested plain data with each array as its bytes, which compare as one value."""
    if isinstance(state, dict):
        return {key: _with_bytes(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "the batch's inputs": batch.inputs.detach().clone(),
        "the batch's targets": batch.targets.clone(),
        "requires_grad of the batch's inputs": batch.inputs.requires_grad,
        "grad of the batch's inputs": batch.inputs.grad,
    }


_READS = {
    "item",
    "tolist",
    "numpy",
    "cpu",
    "nonzero",
    "equal",
    "allclose",
    "unique",
    "unique_consecutive",
    "masked_select",
    "is_nonzero",
    "argwhere",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "__complex__",
    "__array__",
    "__contains__",
    "__repr__",
    "__format__",
}


class _NoHostReads(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        kwargs = kwargs or {}
        if name in _READS or (name == "where" and len(args) + len(kwargs) == 1):
            raise HostReadError(f"{name} reads a tensor's value on the host")
        if name == "to" and any(_is_cpu(value) for value in [*args[1:], kwargs.get("device")]):
            raise HostReadError("to('cpu') reads a tensor's value on the host")
        # Assigning a scalar under a mask needs no count of the mask's true values; everything else does.
        counts = name == "__getitem__" or (name == "__setitem__" and isinstance(args[2], Tensor) and args[2].dim() > 0)
        if counts and _has_mask(args[1]):
            raise HostReadError("indexing with a mask reads on the host how many values are true; use torch.where")
        return func(*args, **kwargs)


def _is_cpu(value: Any) -> bool:
    return (isinstance(value, str) and value == "cpu") or (isinstance(value, torch.device) and value.type == "cpu")


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(part, Tensor) and part.dtype in {torch.bool, torch.uint8} and part.dim() > 0 for part in parts
    )


@contextmanager
def no_host_reads() -> Iterator[None]:
    """Fail where a tensor's value is read on the host, which on a GPU waits for all work queued so far.

    Detects reads that Python asks of torch, also on the CPU. Reads by torch's own kernels show only on a GPU
    (``torch.cuda.set_sync_debug_mode``); the kit checks them if there is one.

    Raises:
        HostReadError: at the first read, raised from the line that reads.

    """
    with _NoHostReads():
        yield


@contextmanager
def synchronization_is_an_error() -> Iterator[None]:
    """Make CUDA raise an error at any operation that waits for the device."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


__all__ = ["GlobalState", "HostReadError", "disturbed", "no_host_reads", "synchronization_is_an_error"]
