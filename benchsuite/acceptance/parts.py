"""Parts of the self-test: the table of all, what a part's process is given, and how it says that it is left out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.records.selftest import PartName, Row

Report = Callable[[Row], None]
"""Adds a row to the part's table; it is kept whatever happens afterwards."""


def described(error: Exception) -> str:
    """Return an error's type and message in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


@dataclass(frozen=True)
class PartRequest:
    """Request to the process of a part.

    Attributes:
        name: of the part.
        module: full name of the module whose ``measure(request, report)`` makes it.
        device: torch's name of the device, ``cpu`` or ``cuda:0``.
        deadline: on ``time.time``; the part should end before. The process is killed a little later.
        scratch: a folder of the part's own, deleted afterwards.
        earlier: rows of the parts before.

    """

    name: PartName
    module: str
    device: str
    deadline: float
    scratch: Path
    earlier: tuple[Row, ...] = ()

    @property
    def is_gpu(self) -> bool:
        """Return True if the device is no CPU."""
        return self.device != "cpu"

    def left_s(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.deadline - time.time()


@dataclass(frozen=True)
class Part:
    """One part of the self-test.

    Attributes:
        name: of the part.
        module: full name of the module whose ``measure(request, report)`` makes it; empty if it is never made.
        weight: its share of the time, relative to those of the other parts.
        left_out: reason why it is never made.

    """

    name: PartName
    module: str
    weight: float
    left_out: str = ""


PARTS = (
    Part("environment", "benchsuite.acceptance.environment", 5),
    Part("capture", "benchsuite.acceptance.capture", 12),
    Part("roof", "benchsuite.acceptance.roof", 4),
    Part("rates", "benchsuite.acceptance.rates", 7),
    Part("compiled", "benchsuite.acceptance.compiled", 6),
    Part("concurrency", "benchsuite.acceptance.concurrency", 9),
    Part("input_pipeline", "benchsuite.acceptance.input_pipeline", 6),
    Part("energy", "benchsuite.acceptance.energy", 3),
    Part(
        "test_suite",
        "",
        0,
        "the tests are not in an installed package; in a checkout, on a machine with a GPU: "
        "python3 -m uv run pytest -q -n 0 -m gpu",
    ),
)
"""All parts, in order. Time that one leaves goes to those after it."""
