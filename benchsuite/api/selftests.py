"""Self-test of a device: what it does with the suite's steps and runs, and how fast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from benchsuite.acceptance.environment import HARDWARE
from benchsuite.acceptance.parts import PARTS
from benchsuite.acceptance.supervision import make_parts
from benchsuite.api.display import Displayed, Part
from benchsuite.api.selftest_display import parts_of
from benchsuite.errors import HardwareError, Problem, SpecError, StoreError
from benchsuite.execution.environment import versions
from benchsuite.execution.interruption import interrupted_once, sigterm_as_interrupt
from benchsuite.execution.other_work import OtherWork, allowed_cores, find_other_work
from benchsuite.files import write_text_atomically
from benchsuite.records.model import HardwareUsed
from benchsuite.records.reading import record_text
from benchsuite.records.rescue import rescued
from benchsuite.records.selftest import Fact, SelftestPart, SelftestRecord, selftest_id_of

if TYPE_CHECKING:
    from benchsuite.api.options import PathLike

DeviceKind = Literal["gpu", "cpu"]

DEVICES = {"gpu": "cuda:0", "cpu": "cpu"}
"""Torch's names: with an index, a GPU's utilization can be read without using it."""


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
    writing = _Writing(device, minutes, folder)
    with suppress(KeyboardInterrupt), sigterm_as_interrupt(), interrupted_once():
        for part in make_parts(PARTS, DEVICES[device], 60 * minutes - writing.looked_s):
            writing.add(part)
            on_part(part)
    return writing.result()


class _Writing:
    """A record that grows by a part at a time."""

    def __init__(self, device: DeviceKind, minutes: float, folder: Path) -> None:
        self.started = datetime.now(UTC)
        self._device: DeviceKind = device
        self._minutes = minutes
        self._folder = folder
        self._parts: list[SelftestPart] = []
        self._busy = find_other_work(torch.device(DEVICES[device]))
        self._work = OtherWork()
        self.looked_s = (datetime.now(UTC) - self.started).total_seconds()
        """Time that it took to look for other work."""

    def add(self, part: SelftestPart) -> None:
        """Add a part and write the record."""
        self._parts.append(part)
        self._write()

    def result(self) -> Selftest:
        """Return the self-test; parts that are missing were interrupted."""
        reason = "the self-test was interrupted before its end"
        self._parts += [
            SelftestPart(name=part.name, status="interrupted", reason=reason, given_s=0, took_s=0)
            for part in PARTS[len(self._parts) :]
        ]
        return self._write()

    def _write(self) -> Selftest:
        record = self._record()
        path = self._folder / f"{record.selftest_id}.json"
        try:
            write_text_atomically(path, record_text(record))
        except StoreError as error:
            raise rescued(path.name, record_text(record), self._folder, error) from error
        return Selftest(record, path)

    def _record(self) -> SelftestRecord:
        hardware, cores = self._hardware(), self._work.cores()
        busy = self._busy
        if not busy and cores > allowed_cores():
            busy = f"other processes used {cores:.1f} cores during the self-test"
        return SelftestRecord(
            selftest_id=selftest_id_of(self._device, hardware),
            device=self._device,
            hardware=hardware,
            environment=versions(),
            minutes=self._minutes,
            parts=tuple(self._parts),
            busy=busy,
            other_cores=round(cores, 3),
            started_at=self.started,
            ended_at=datetime.now(UTC),
            command=f"benchsuite selftest {self._device} --minutes {self._minutes:g}",
        )

    def _hardware(self) -> HardwareUsed | None:
        for part in self._parts:
            for row in part.rows:
                if isinstance(row, Fact) and row.name == HARDWARE:
                    return HardwareUsed.model_validate_json(row.value)
        return None
