"""Part ``compiled``: images per second of steps compiled by ``torch.compile``, where there is a compiler."""

from __future__ import annotations

from importlib.util import find_spec

from benchsuite.acceptance.environment import compiler
from benchsuite.acceptance.parts import PartRequest, Report
from benchsuite.acceptance.rates import step_rate
from benchsuite.acceptance.trainers import MEASURED
from benchsuite.errors import PartFailedError, PartSkippedError

LEAST_S = 60.0
"""Time that one compilation may take on a busy machine."""


def measure(request: PartRequest, report: Report) -> None:
    """Report a row per network, as many as time allows.

    Raises:
        PartSkippedError: if there is no compiler, or no time for one network.
        PartFailedError: if no step could be compiled.

    """
    if not request.is_gpu and not compiler():
        raise PartSkippedError("torch.compile needs a C++ compiler, and none is installed here")
    if request.is_gpu and find_spec("triton") is None:
        raise PartSkippedError("torch.compile needs Triton on a GPU, and it is not installed here")
    compiled, began = 0, request.left_s()
    for number, network in enumerate(MEASURED):
        took = (began - request.left_s()) / number if number else LEAST_S
        if request.left_s() < took:
            break
        row = step_rate(
            request, (network, "fp32", "contiguous"), {"step": "auto", "compile": "default"}, request.left_s() / 2
        )
        report(row)
        compiled += row.compiled
    else:
        number = len(MEASURED)
    if number == 0:
        raise PartSkippedError(f"compiling takes up to {LEAST_S:.0f} s, and {request.left_s():.0f} s are left for it")
    if not compiled:
        raise PartFailedError("no step could be compiled; the rows say why")
