"""Oracle: counters whose readings are written down by hand; where nothing counts, nothing is claimed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchsuite.execution import checkpointing
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.training import device as device_module
from benchsuite.training.clock import Clock
from benchsuite.training.energy import EnergyMeter, open_energy_meter
from benchsuite.training.trainer import Trainer

from ..small_runs import MakeRun, MakeSpec

CPU = torch.device("cpu")


def package(powercap: Path, name: str, microjoules: int, kind: str = "package-0", goes_round_at: int = 1000) -> Path:
    folder = powercap / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{kind}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{goes_round_at}\n")
    return folder / "energy_uj"


def test_packages_are_added_their_parts_are_not_and_a_counter_may_go_round(tmp_path: Path) -> None:
    first = package(tmp_path, "intel-rapl:0", 900)
    second = package(tmp_path, "intel-rapl:1", 10, "package-1")
    part = package(tmp_path, "intel-rapl:0:0", 0, "core")
    whole_board = package(tmp_path, "intel-rapl:2", 0, "psys")
    meter = open_energy_meter(CPU, tmp_path)
    assert meter.source == "2 whole processor packages, counted by RAPL"
    assert meter.joules is not None
    start = meter.joules()
    for counter, reading in ((first, 100), (second, 60), (part, 500), (whole_board, 500)):
        counter.write_text(str(reading))
    assert meter.joules() - start == pytest.approx(250e-6)
    first.write_text("150")
    assert meter.joules() - start == pytest.approx(300e-6)


@pytest.mark.parametrize("broken", ["none", "unreadable", "not a number", "only a part"])
def test_where_nothing_can_be_counted_the_reason_is_told(tmp_path: Path, broken: str) -> None:
    if broken != "none":
        counter = package(tmp_path, "intel-rapl:0", 5, "dram" if broken == "only a part" else "package-0")
        if broken == "unreadable":
            counter.unlink()  # to a process of root, no file is forbidden
        if broken == "not a number":
            counter.write_text("?")
    meter = open_energy_meter(CPU, tmp_path)
    assert meter.joules is None
    assert "no counter" in meter.source or "cannot be read" in meter.source


def test_a_gpu_is_found_by_its_identifier_and_counted_in_thousandths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches the counter of another GPU where CUDA_VISIBLE_DEVICES has renumbered them."""
    readings = {b"GPU-two": iter([1000, 5000, 7500])}
    nvml = SimpleNamespace(
        NVMLError=type("NVMLError", (Exception,), {}),
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: next(readings[handle]),
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="two"))
    meter = open_energy_meter(torch.device("cuda"))
    assert meter.joules is not None
    assert -meter.joules() + meter.joules() == 2.5

    def refuse(handle: object) -> None:
        raise nvml.NVMLError("Not Supported")

    monkeypatch.setattr(nvml, "nvmlDeviceGetTotalEnergyConsumption", refuse)
    assert open_energy_meter(torch.device("cuda")) == EnergyMeter(None, "NVML does not count here: Not Supported")
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert "not installed" in open_energy_meter(torch.device("cuda")).source


def test_what_lies_within_a_stretch_is_taken_from_it() -> None:
    reading = [0.0]
    clock = Clock(joules=lambda: reading[0])
    with clock.measure("train"):
        reading[0] += 3
        with clock.apart("diagnostics", "train"):
            reading[0] += 10
        reading[0] += 4
    assert clock.used == {"train": 7, "diagnostics": 10}


def test_a_process_that_does_nothing_has_no_processor_time() -> None:
    """Catches wall time in the place of processor time: a busy machine would go unnoticed."""
    clock = Clock()
    with clock.measure("train"):
        time.sleep(0.3)
    with clock.measure("evaluation"):
        begun = time.process_time()
        while time.process_time() - begun < 0.1:
            pass
    assert clock.worked["train"] < 0.1 <= clock.worked["evaluation"]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let every device have a counter that goes on by one joule each time that it is read."""
    reading = [0.0]

    def joules() -> float:
        reading[0] += 1
        return reading[0]

    monkeypatch.setattr(device_module, "open_energy_meter", lambda device: EnergyMeter(joules, "a counter"))
    return reading


def test_a_record_has_the_energy_of_training_alone(
    counted: list[float], make_spec: MakeSpec, make_run: MakeRun
) -> None:
    spec = make_spec()
    timing = make_run(spec).execute().timing
    assert timing.train_processor_s
    # Each stretch is read at both ends: what comes before the first step, and the epochs.
    assert timing.train_energy_j == 1 + spec.protocol.epochs
    assert timing.train_energy_source == "a counter"


@pytest.mark.parametrize("later", [True, False])
def test_a_run_of_which_a_part_was_not_counted_claims_no_energy(
    counted: list[float], make_spec: MakeSpec, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, later: bool
) -> None:
    """Continued where nothing counts, or begun there: the sum of the rest would look like a frugal rule."""
    counting = device_module.open_energy_meter
    uncounted = EnergyMeter(None, "nothing counts")
    monkeypatch.setattr(checkpointing, "CHECKPOINT_EVERY_S", 0.0)
    train_epoch = Trainer.train_epoch

    def stopped_in_the_second(self: Trainer, deadline: float | None = None) -> Any:
        if self.epoch == 1:
            raise KeyboardInterrupt
        return train_epoch(self, deadline)

    if later:
        monkeypatch.setattr(device_module, "open_energy_meter", lambda device: uncounted)
    monkeypatch.setattr(Trainer, "train_epoch", stopped_in_the_second)
    with pytest.raises(InterruptedRunError):
        make_run(make_spec()).execute()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    monkeypatch.setattr(device_module, "open_energy_meter", counting if later else lambda device: uncounted)
    record = make_run(make_spec()).execute()
    assert (record.resumed, record.timing.train_energy_j) == (1, None)
    assert record.timing.train_energy_source == ("not counted in all parts of the run" if later else "nothing counts")
