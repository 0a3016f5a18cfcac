"""Random generators of a run's independent streams, and the global streams, from which a rule may draw."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Generator, Tensor, device

from benchsuite.specs.seeds import AXES as AXES
from benchsuite.specs.seeds import Axis as Axis
from benchsuite.specs.seeds import derive_seed as derive_seed
from benchsuite.specs.seeds import derive_seeds as derive_seeds


def generator(seeds: dict[str, int], axis: Axis, on: device | str = "cpu", rank: int = 0) -> Generator:
    """Return a new random generator of one axis.

    All but dropout's are on the CPU, so that the numbers do not depend on the device. With a ``rank``, each rank has a
    stream of its own: that is for dropout, which draws for the rank's own examples. Every other stream is drawn for the
    whole batch, equally on all ranks.
    """
    seed = seeds[axis] if rank == 0 else derive_seed(f"rank {rank}", seeds[axis])
    return Generator(device=on).manual_seed(seed)


@contextmanager
def global_streams_of_a_run(seed: int) -> Iterator[None]:
    """Seed the global streams from a run's seed index for the length of the block; then give the caller's back.

    A rule that draws from them gets the same numbers whenever and wherever the run is made.
    """
    before = global_streams()
    torch.manual_seed(derive_seed("global/torch", seed))
    np.random.seed(derive_seed("global/numpy", seed) % 2**32)
    random.seed(derive_seed("global/python", seed))
    try:
        yield
    finally:
        set_global_streams(before)


def global_streams() -> dict[str, Tensor]:
    """Return the states of the global streams, as a checkpoint holds them; those of GPUs if any is in use."""
    version, words, kept = random.getstate()
    _, keys, position, has_kept, numpy_kept = np.random.get_state(legacy=True)
    states = {
        "torch": torch.get_rng_state(),  # (bytes,)
        "python": torch.tensor([version, *words], dtype=torch.int64),
        "numpy": torch.tensor([*keys.tolist(), position, has_kept], dtype=torch.int64),  # type: ignore[union-attr]
        "kept": torch.tensor([kept or 0.0, numpy_kept], dtype=torch.float64),
        "has_kept": torch.tensor(kept is not None),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        states |= {f"cuda:{device}": state for device, state in enumerate(torch.cuda.get_rng_state_all())}
    return states


def set_global_streams(states: Mapping[str, Tensor]) -> None:
    """Set the global streams to states that ``global_streams`` returned."""
    kept, numpy_kept = states["kept"].tolist()
    version, *words = states["python"].tolist()
    *keys, position, has_kept = states["numpy"].tolist()
    torch.set_rng_state(states["torch"])
    random.setstate((version, tuple(words), kept if bool(states["has_kept"]) else None))
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_kept, numpy_kept))
    for number in range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0):  # type: ignore[no-untyped-call]
        if f"cuda:{number}" in states:
            torch.cuda.set_rng_state(states[f"cuda:{number}"], number)
