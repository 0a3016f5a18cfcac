"""A pickle as Python 2 wrote CIFAR's, put together from its opcodes: Python 3 cannot write byte strings that way."""

from __future__ import annotations

import struct

import numpy as np


def _text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def _array(values: np.ndarray) -> bytes:
    """Return a two-dimensional array of uint8: NumPy's reconstruction, then its state."""
    rows, columns = values.shape
    content = values.astype(np.uint8).tobytes()
    integer = lambda n: b"J" + struct.pack("<i", n)  # noqa: E731
    dtype = b"cnumpy\ndtype\n" + _text("u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + _text("|") + b"NNN" + integer(-1) + integer(-1) + b"K\x00tb"
    made = b"cnumpy.core.multiarray\n_reconstruct\n" + b"cnumpy\nndarray\n" + b"K\x00\x85" + _text("b") + b"\x87R"
    shape = integer(rows) + integer(columns) + b"\x86"
    return made + b"(K\x01" + shape + dtype + b"\x89" + b"T" + struct.pack("<i", len(content)) + content + b"tb"


def python2_batch(images: np.ndarray, labels: list[int], key: str) -> bytes:
    """Return a batch file: a dictionary with ``data``, (examples, 3072) of uint8, and the labels under ``key``."""
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + _text("data") + _array(images) + _text(key) + numbers + b"u."
