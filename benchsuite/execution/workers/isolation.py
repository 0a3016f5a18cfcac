"""Global state of torch, which a worker sets so that no other code's settings reach its run."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch

from benchsuite.process import is_own_process
from benchsuite.training.ranks import launched_world_size


@dataclass(frozen=True)
class TorchState:
    """Torch's global settings that can change a run's numbers."""

    default_dtype: torch.dtype
    default_device: str
    grad: bool
    threads: int
    deterministic: bool
    deterministic_warns: bool
    matmul_precision: str
    anomaly: bool
    cudnn: tuple[bool, bool, bool]

    @classmethod
    def read(cls) -> TorchState:
        """Return the settings of this process."""
        cudnn = torch.backends.cudnn
        return cls(
            default_dtype=torch.get_default_dtype(),
            default_device=str(torch.get_default_device()),
            grad=torch.is_grad_enabled(),
            threads=torch.get_num_threads(),
            deterministic=torch.are_deterministic_algorithms_enabled(),
            deterministic_warns=torch.is_deterministic_algorithms_warn_only_enabled(),
            matmul_precision=torch.get_float32_matmul_precision(),
            anomaly=torch.is_anomaly_enabled(),
            cudnn=(cudnn.enabled, cudnn.benchmark, cudnn.deterministic),
        )

    def apply(self) -> None:
        """Set what differs in this process."""
        now = TorchState.read()
        if now.default_dtype != self.default_dtype:
            torch.set_default_dtype(self.default_dtype)
        if now.default_device != self.default_device:
            torch.set_default_device(None if self.default_device == "cpu" else self.default_device)
        if now.threads != self.threads:
            torch.set_num_threads(self.threads)
        if now.matmul_precision != self.matmul_precision:
            torch.set_float32_matmul_precision(self.matmul_precision)
        torch.set_grad_enabled(self.grad)
        torch.use_deterministic_algorithms(self.deterministic, warn_only=self.deterministic_warns)
        torch.autograd.set_detect_anomaly(self.anomaly)
        cudnn = torch.backends.cudnn
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = self.cudnn


def until_forked(state: TorchState) -> TorchState:
    """Return the settings of a process that will be forked, until then: the command's own uses one thread."""
    forks = hasattr(os, "fork") and is_own_process() and launched_world_size() == 1
    return replace(state, threads=1) if forks else state
