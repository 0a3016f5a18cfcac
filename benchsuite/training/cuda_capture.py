"""Capture of a function in a CUDA graph, with memory of its own and with the random generators that it draws from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Generator

from benchsuite.errors import NotCapturableError


def side_stream(device: torch.device) -> torch.cuda.Stream | None:
    """Return a stream to warm up and to capture on, as graphs need it; None where there are no streams.

    One for both: libraries keep a workspace of tens of MiB for each stream that they are used on.
    """
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


@contextmanager
def on_side_stream(side: torch.cuda.Stream | None) -> Iterator[None]:
    """Run the block on a side stream, if there is one, after all earlier work and before all later work."""
    if side is None:
        yield
        return
    with torch.cuda.device(side.device):
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            yield
        torch.cuda.current_stream().wait_stream(side)


def capture(act: Callable[[], None], side: torch.cuda.Stream, generators: Sequence[Generator]) -> torch.cuda.CUDAGraph:
    """Return a graph of what ``act`` does; nothing of it is done yet.

    Args:
        act: warmed up on the side stream; reads no value on the host and finds all its state in place.
        side: from ``side_stream``.
        generators: all generators on the device that it draws from. Each replay draws anew, the numbers that ``act``
            would have drawn.

    Raises:
        NotCapturableError: with the first line of the error; generators are then as before.

    """
    with torch.cuda.device(side.device):
        defaults = torch.cuda.default_generators[torch.cuda.current_device()]  # torch registers it by itself
        states = [(generator, generator.clone_state()) for generator in (*generators, defaults)]
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        try:
            with torch.cuda.graph(graph, pool=torch.cuda.graph_pool_handle(), stream=side):
                act()
        except Exception as error:
            # A capture that fails leaves its generators waiting for the end of the capture: they could not draw again.
            for generator, state in states:
                generator.graphsafe_set_state(state)
            torch.cuda.synchronize()
            raise NotCapturableError(f"the capture failed: {_first_line(_origin(error))}") from error
    return graph


def _origin(error: BaseException) -> BaseException:
    """Return the error that came first: torch raises another one when it ends a capture that has failed."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


class StepsInFlight:
    """Limit on how far the host runs ahead of the device, so that a deadline or Ctrl-C finds an epoch in progress.

    Replays take the host microseconds: it would send off a whole epoch before the device has done a tenth.
    """

    EVERY = 32
    """Steps between two marks; the host waits for the mark before the last one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._taken = 0
        self._mark: torch.cuda.Event | None = None

    def add(self) -> None:
        """Count a step, and wait for earlier ones if there are too many."""
        self._taken += 1
        if self._taken % self.EVERY:
            return
        earlier, self._mark = self._mark, torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._mark.record(torch.cuda.current_stream(self._device))
        if earlier is not None:
            earlier.synchronize()
