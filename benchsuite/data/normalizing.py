"""Normalisation of stored pixels to network inputs, on their device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import Normalization


class Normalizer:
    """``(inputs / 255 - mean) / std`` for uint8, ``(inputs - mean) / std`` otherwise."""

    def __init__(
        self,
        normalization: Normalization,
        input_shape: tuple[int, ...],
        stored: torch.dtype,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Compute scale and shift.

        Args:
            normalization: the data set's normalisation.
            input_shape: shape of one example, channels first.
            stored: dtype of the stored examples.
            device: device of the examples.
            dtype: dtype of the result; a dtype narrower than float32 is computed in float32 first.

        Raises:
            DataError: if mean or std has neither one entry nor one per channel.
        """
        self.dtype = dtype
        self._input_shape = input_shape
        self._work_dtype = torch.promote_types(dtype, torch.float32)
        # (v / unit - mean) / std = v * scale + shift, computed in double precision and rounded once.
        unit = 255.0 if stored == torch.uint8 else 1.0
        mean = self._per_channel(normalization.mean, "mean")
        std = self._per_channel(normalization.std, "std")
        scale, shift = 1.0 / (unit * std), -mean / std
        self._shift = shift.to(device, self._work_dtype)
        self._scale_of_all = float(scale) if scale.numel() == 1 else None
        self._scale = scale.to(device, self._work_dtype)

    def _per_channel(self, values: Sequence[float], name: str) -> Tensor:
        channels = self._input_shape[0]
        if len(values) == 1:
            return torch.tensor(values[0], dtype=torch.float64)
        if len(values) != channels:
            raise DataError(
                f"normalization.{name} has {len(values)} entries, expected 1 or one for each of the {channels} "
                f"channels (inputs are {self._input_shape})"
            )
        return torch.tensor(values, dtype=torch.float64).view(-1, *(1 for _ in self._input_shape[1:]))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return normalised examples in a new tensor, shape (examples, *input_shape)."""
        if self._scale_of_all is not None:
            # One kernel on a GPU for conversion, product and sum.
            if inputs.device.type == "cpu":
                inputs = inputs.to(self._work_dtype)  # a separate conversion is twice as fast on a CPU
            result = torch.add(self._shift, inputs, alpha=self._scale_of_all)
        else:
            result = inputs.to(self._work_dtype, copy=True).mul_(self._scale).add_(self._shift)
        return result.to(self.dtype)
