"""Batch norm with statistics over the examples of all ranks."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from benchsuite.networks.network import Network


def synchronize_norms(network: Network) -> None:
    """Synchronise the statistics of a network's batch norms over all ranks; the network must be on its device.

    On CUDA this uses torch's ``SyncBatchNorm``, which has no CPU version. Tests with several ranks run on the CPU.
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
    """Sum over all ranks. The backward pass sums cotangents too, since every rank's output depends on every input."""

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
    count = values.new_tensor([values.numel() / values.shape[1]])  # (1,)
    sums = _SumOverProcesses.apply(torch.cat([values.sum(others), count]))  # (channels + 1,)
    count = sums[-1].detach()
    centred = values - (sums[:-1] / count).view(shape)
    # Two passes: the mean of squares minus the square of the mean loses float32's precision.
    variance = _SumOverProcesses.apply(centred.square().sum(others)) / count  # (channels,)
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        assert norm.momentum is not None  # noqa: S101 - no norm is built with a cumulative average
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
    """Batch norm over the examples of all ranks in training; for the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised values, in the shape of the input."""
        return _normalised(self, input) if self.training else super().forward(input)


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the examples and positions of all ranks in training; for the CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised values, in the shape of the input."""
        return _normalised(self, input) if self.training else super().forward(input)
