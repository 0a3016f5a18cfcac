"""Batch norms whose statistics are those of all processes' examples."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from benchsuite.networks.network import Network


def synchronize_norms(network: Network) -> None:
    """Let every batch norm of a network, on its device, see the examples of all processes.

    On CUDA torch's own ``SyncBatchNorm`` does so; it has no form for the CPU, where the tests of several processes run.
    """
    if next(network.parameters()).device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.__class__ = SynchronizedBatchNorm1d
        elif isinstance(module, nn.BatchNorm2d):
            module.__class__ = SynchronizedBatchNorm2d


class _SumOverProcesses(Function):
    """The sum over all processes; so is the cotangent's, since every process's output depends on every input."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(context: object, cotangent: Tensor) -> Tensor:
        summed = cotangent.clone()
        dist.all_reduce(summed)
        return summed


def _normalised(norm: _BatchNorm, values: Tensor) -> Tensor:
    others = [axis for axis in range(values.dim()) if axis != 1]
    shape = [1, -1, *[1] * (values.dim() - 2)]
    count = values.new_tensor([values.numel() / values.shape[1]])
    sums = _SumOverProcesses.apply(torch.cat([values.sum(others), count]))
    count = sums[-1].detach()
    centred = values - (sums[:-1] / count).view(shape)
    # In two passes: the mean of squares less the square of the mean loses what float32 has.
    variance = _SumOverProcesses.apply(centred.square().sum(others)) / count
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        assert norm.momentum is not None  # noqa: S101 - nobody builds a norm with a cumulative average
        with torch.no_grad():
            norm.running_mean.lerp_((sums[:-1] / count).to(norm.running_mean.dtype), norm.momentum)
            norm.running_var.lerp_((variance * count / (count - 1)).to(norm.running_var.dtype), norm.momentum)
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.add_(1)
    result: Tensor = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        result = result * norm.weight.view(shape) + norm.bias.view(shape)
    return result


class SynchronizedBatchNorm1d(nn.BatchNorm1d):
    """Batch norm over all processes' examples, in training; for the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised values."""
        return _normalised(self, input) if self.training else super().forward(input)


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over all processes' examples and positions, in training; for the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised values."""
        return _normalised(self, input) if self.training else super().forward(input)
