"""Self-test of a device: what it does with the suite's steps and runs, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch

from benchsuite.acceptance.growing_record import DEVICES, DeviceKind, GrowingRecord
from benchsuite.acceptance.parts import PARTS
from benchsuite.acceptance.supervision import make_parts
from benchsuite.api.display import Displayed, Part
from benchsuite.api.selftest_display import parts_of
from benchsuite.errors import HardwareError, Problem, SpecError, StoreError
from benchsuite.execution.interruption import interrupted_once, sigterm_as_interrupt

if TYPE_CHECKING:
    from benchsuite.api.options import PathLike
    from benchsuite.records.selftest import SelftestPart, SelftestRecord


@dataclass(frozen=True, repr=False)
class Selftest(Displayed):
    """The result of a self-test.

    Attributes:
        record: the record that was written.
        path: its file.

    """

    record: SelftestRecord
    path: Path

    def __repr__(self) -> str:
        """Return the counts in one line."""
        failed = f", failed: {', '.join(part.name for part in self.record.failed)}" if self.record.failed else ""
        return f"<Selftest: {len(self.record.parts)} parts on {self.record.device}{failed}>"

    @property
    def interrupted(self) -> bool:
        """True if Ctrl-C ended it; what was measured by then is in the record."""
        return any(part.status == "interrupted" for part in self.record.parts)

    def remarks(self) -> list[str]:
        """Return the lines that follow the tables."""
        remarks = []
        if self.record.busy:
            remarks.append(f"measured on a busy machine ({self.record.busy}): speeds tell of that as well")
        remarks += [f"failed: {part.name}: {part.reason}" for part in self.record.failed]
        return [*remarks, f"written to {self.path}"]

    def parts(self) -> Sequence[Part]:
        """Return every part's status and tables, and a line for each remark."""
        return [*(shown for part in self.record.parts for shown in parts_of(part)), *self.remarks()]

    def as_data(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return self.record.model_dump(mode="json")


def selftest(
    device: DeviceKind,
    *,
    minutes: float = 8.0,
    out: PathLike = "benchsuite-selftest",
    on_part: Callable[[SelftestPart], None] = lambda part: None,
) -> Selftest:
    """Test what a device does with the suite's steps and runs, and measure how fast.

    Each part works in a process of its own and has a share of the time; one that hangs is killed, one that crashes
    leaves its rows and all others. Needs no network and no data: images are generated.

    Args:
        device: ``"gpu"``, the first CUDA device; or ``"cpu"``.
        minutes: time of all parts together; never exceeded, whatever a part does.
        out: folder to write the record to; it is written again after every part.
        on_part: called with each part as it ends.

    Returns:
        The result: print ``.table()``; ``.record`` is the record, ``.path`` its file.

    Raises:
        SpecError: if there is no such kind of device, or the time is not positive.
        HardwareError: if torch sees no such device.
        StoreError: if the record cannot be written.

    """
    if device not in DEVICES:
        raise SpecError([Problem(f"no device '{device}'; there are {', '.join(get_args(DeviceKind))}")])
    if not minutes > 0:
        raise SpecError([Problem(f"minutes is {minutes:g}; it must be above 0")])
    if device == "gpu" and not torch.cuda.is_available():
        raise HardwareError("torch sees no CUDA device here; use `benchsuite selftest cpu`, or see `benchsuite doctor`")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot create {folder}: {error.strerror or error}") from error
    writing = GrowingRecord(device, minutes, folder)
    with suppress(KeyboardInterrupt), sigterm_as_interrupt(), interrupted_once():
        for part in make_parts(PARTS, DEVICES[device], 60 * minutes - writing.spent_s()):
            writing.add(part)
            on_part(part)
    return Selftest(*writing.finished())
