"""A forward pass kept for credit that is handed over directly, in whatever form of network."""

from __future__ import annotations

from benchsuite.credit.tape import Tape, record_ordinary_forward
from benchsuite.credit.vector_tape import record_vector_forward
from benchsuite.network.network import Network
from benchsuite.rule import Batch


def record_forward(network: Network, batch: Batch) -> Tape:
    """Run a batch forward with every segment's input detached, and work out the output error.

    Returns:
        A ``Tape``; in a vectorized network a ``VectorTape``, whose credit is one number a unit.

    """
    return record_vector_forward(network, batch) if network.is_vectorized else record_ordinary_forward(network, batch)
