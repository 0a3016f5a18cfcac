"""Stages of a protocol in a trainer: the segments that learn, and the optimizer, change between epochs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchsuite.networks.shapes.frozen import learning_segments

if TYPE_CHECKING:
    from benchsuite.networks.network import Network
    from benchsuite.specs.models.protocol import OptimizerSpec, ProtocolSpec


class Stages:
    """The stage that a network is in.

    Attributes:
        number: of the stage, from 0.

    """

    def __init__(self, protocol: ProtocolSpec, network: Network) -> None:
        """Enter the first stage."""
        self._protocol = protocol
        self._network = network
        self._learning = learning_segments(protocol, network.shapes)
        self.number = 0
        if self._learning:
            network.train_segments(self._learning[0])

    @property
    def optimizer(self) -> OptimizerSpec:
        """Optimizer of the stage."""
        stage = self._protocol.stages[self.number] if self._learning else None
        return (stage.optimizer if stage else None) or self._protocol.optimizer

    def enter(self, epoch: int) -> bool:
        """Have the segments of an epoch's stage learn, and no others; return True if the stage is another one.

        Args:
            epoch: counted from 0; one past the last belongs to the last stage.

        """
        number = self._protocol.stage_at(epoch).number
        if number == self.number:
            return False
        self.number = number
        self._network.train_segments(self._learning[number])
        return True


def single_stages(protocol: ProtocolSpec) -> list[tuple[str, float, ProtocolSpec]]:
    """Return each stage with its name, its share of the epochs, and the protocol that has this stage in all epochs."""
    if not protocol.stages:
        return [("", 1.0, protocol)]
    epochs = Counter(protocol.stage_at(epoch).number for epoch in range(protocol.epochs))
    return [
        (
            f"stage {number + 1}: {', '.join(stage.learns)}",
            epochs[number] / protocol.epochs,
            protocol.model_copy(update={"stages": (stage,)}),
        )
        for number, stage in enumerate(protocol.stages)
    ]
