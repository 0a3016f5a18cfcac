"""The record of a self-test in progress, written again after each part."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
import torch

from benchsuite.acceptance.environment import HARDWARE
from benchsuite.acceptance.parts import PARTS
from benchsuite.errors import StoreError
from benchsuite.execution.environment import versions
from benchsuite.execution.other_work import OtherWork, allowed_cores, find_other_work
from benchsuite.files import write_text_atomically
from benchsuite.process import is_own_process
from benchsuite.records.model import HardwareUsed
from benchsuite.records.reading import record_text
from benchsuite.records.rescue import rescued
from benchsuite.records.selftest import Fact, SelftestPart, SelftestRecord, selftest_id_of

DeviceKind = Literal["gpu", "cpu"]

DEVICES: dict[DeviceKind, str] = {"gpu": "cuda:0", "cpu": "cpu"}
"""Torch's names: with an index, a GPU's utilization can be read without using it."""


class GrowingRecord:
    """A record that grows by a part at a time."""

    def __init__(self, device: DeviceKind, minutes: float, folder: Path) -> None:
        self.started = datetime.now(UTC)
        self._device: DeviceKind = device
        self._minutes = minutes
        self._folder = folder
        self._parts: list[SelftestPart] = []
        self._busy = find_other_work(torch.device(DEVICES[device]))
        self._work = OtherWork()

    def spent_s(self) -> float:
        """Return the seconds since the command, or the call from other code, has begun."""
        called = self.started.timestamp()
        return time.time() - (min(called, psutil.Process().create_time()) if is_own_process() else called)

    def add(self, part: SelftestPart) -> None:
        """Add a part and write the record."""
        self._parts.append(part)
        self._write()

    def finished(self) -> tuple[SelftestRecord, Path]:
        """Return the record and its file; parts that are missing were interrupted."""
        reason = "the self-test was interrupted before its end"
        self._parts += [
            SelftestPart(name=part.name, status="interrupted", reason=reason, given_s=0, took_s=0)
            for part in PARTS[len(self._parts) :]
        ]
        return self._write()

    def _write(self) -> tuple[SelftestRecord, Path]:
        record = self._record()
        path = self._folder / f"{record.selftest_id}.json"
        try:
            write_text_atomically(path, record_text(record))
        except StoreError as error:
            raise rescued(path.name, record_text(record), self._folder, error) from error
        return record, path

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
