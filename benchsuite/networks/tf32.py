"""Allow or forbid TF32 in float32 matrix products and convolutions, through torch's two switches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def allow_tf32(shorten: bool) -> None:
    """Allow (True) or forbid (False) TF32 in matrix products and convolutions from now on."""
    torch.set_float32_matmul_precision("high" if shorten else "highest")
    torch.backends.cudnn.allow_tf32 = shorten


def tf32_is_allowed(device: torch.device) -> bool:
    """Return whether the current settings allow TF32 products on this device."""
    convs_are = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return convs_are or torch.get_float32_matmul_precision() != "highest"


@contextmanager
def without_tf32() -> Iterator[None]:
    """Use full float32 products within the block, whatever the hardware spec allows elsewhere."""
    products, convs = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    allow_tf32(False)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convs
