"""Record a forward pass for credit that is assigned directly to segments, in any form of network."""

from __future__ import annotations

from benchsuite.credit.batch import Batch
from benchsuite.credit.tape import Tape, record_ordinary_forward
from benchsuite.credit.vector_tape import record_vector_forward
from benchsuite.networks.network import Network


def record_forward(
    network: Network, batch: Batch, keep_links: bool = False, keep_pre_activations: bool = False
) -> Tape:
    """Run a batch forward with every segment's input detached, and compute the output error.

    Args:
        network: a network of any form.
        batch: the batch to run forward.
        keep_links: whether ``Tape.pull_back_between`` will be called; for chains that are not vectorized.
        keep_pre_activations: whether ``Tape.pre_activations`` will be read; for networks that are not vectorized.

    Returns:
        A ``Tape``; in a vectorized network a ``VectorTape``, whose credit is one number per unit.

    """
    if network.is_vectorized:
        return record_vector_forward(network, batch)
    return record_ordinary_forward(network, batch, keep_links, keep_pre_activations)
