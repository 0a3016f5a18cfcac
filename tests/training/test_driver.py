"""Oracle: a version file as the kernel shows it, and a made-up NVML."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchsuite.training.driver import driver_version

GPU = torch.device("cuda")


@pytest.fixture(autouse=True)
def torch_of_nvidia(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch be one that was built for CUDA 13.0, wherever the tests run."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")


def test_the_driver_is_the_kernel_modules_version_and_not_torchs_cuda(tmp_path: Path) -> None:
    """Catches torch's CUDA version in its place: it is the same under every driver."""
    (tmp_path / "version").write_text("580.65.06\n")
    assert driver_version(GPU, tmp_path / "version") == "NVIDIA 580.65.06"
    assert driver_version(torch.device("cpu"), tmp_path / "version") is None


@pytest.mark.parametrize("version", ["580.65.06", b"580.65.06"])
def test_without_the_kernels_file_nvml_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | bytes
) -> None:
    nvml = SimpleNamespace(
        nvmlInit=lambda: None, nvmlSystemGetDriverVersion=lambda: version, NVMLError=type("NVMLError", (Exception,), {})
    )
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    assert driver_version(GPU, tmp_path / "missing") == "NVIDIA 580.65.06"


def test_a_driver_that_nothing_tells_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches a run that fails because of a machine without the file and without NVML."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert driver_version(GPU, tmp_path / "missing") is None
