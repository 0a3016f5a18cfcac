"""Whether products of float32 numbers are made of all their bits or of TF32's, by torch's two switches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def shorten_products(shorten: bool) -> None:
    """Let matrix products and convolutions drop mantissa bits from now on, or keep float32."""
    torch.set_float32_matmul_precision("high" if shorten else "highest")
    torch.backends.cudnn.allow_tf32 = shorten


def shortens_products(device: torch.device) -> bool:
    """Return whether products are made of fewer bits on this device as things are set."""
    convs_are = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return convs_are or torch.get_float32_matmul_precision() != "highest"


@contextmanager
def whole_products() -> Iterator[None]:
    """Make products of all their bits in the block, whatever the hardware spec says of the others."""
    products, convs = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    shorten_products(False)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convs
