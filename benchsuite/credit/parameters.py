"""Tensors of a rule that the optimizer updates, and the optimizer's groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from benchsuite.errors import PluginError

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.networks.network import Network


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFeedback:
    """A feedback weight that the harness's optimizer updates.

    Attributes:
        weight: a buffer of the rule. ``assign_credit`` sets its ``.grad`` like a parameter's. The gradient may be the
            same tensor as a forward weight's gradient: no optimizer of the harness writes into gradients.
        rate: its learning rate as a multiple of the protocol's, above zero.

    """

    weight: Tensor
    rate: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ParameterGroup:
    """Parameters of a rule that learn: not weights of the network, and not feedback.

    Attributes:
        name: one or two words for plans and records: ``local classifiers``, ``decoders``.
        parameters: ``nn.Parameter`` of the rule.
        rate: their learning rate as a multiple of the protocol's, above zero.
        decays: False if the protocol's weight decay leaves them alone.

    """

    name: str
    parameters: Sequence[Tensor]
    rate: float = 1.0
    decays: bool = True


def parameter_groups(
    network: Network, rule: Rule, learning_rate: float, rate_of: Callable[[str], float] = lambda segment: 1.0
) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups for a network and its rule, one per learning rate and weight decay.

    Each group stores its ``rate``; a schedule sets ``lr`` to the protocol's learning rate times ``rate``. What has rate
    1 and the protocol's decay is in the network's group, so that the optimizer makes one pass over memory for all.

    Args:
        network: all its parameters are trained.
        rule: gives its learned feedback and its own parameters.
        learning_rate: the protocol's.
        rate_of: returns the multiple of the learning rate for a segment.

    Raises:
        PluginError: if a tensor is in two groups.

    """
    rates = {id(weight): rate_of(name) for name, each in network.segments.items() for weight in each.parameters()}
    chosen: dict[tuple[float, bool], list[Tensor]] = {}
    for weight in network.parameters():
        chosen.setdefault((rates.get(id(weight), 1.0), True), []).append(weight)
    for learned in rule.learned_feedback:
        chosen.setdefault((learned.rate, True), []).append(learned.weight)
    known = {id(tensor) for tensors in chosen.values() for tensor in tensors}
    for group in rule.trained_parameters:
        twice = [tuple(each.shape) for each in group.parameters if id(each) in known]
        if twice:
            raise PluginError(
                f"{rule.name}: trained_parameters has in '{group.name}' a tensor of shape {twice[0]} that another "
                "group or the network has too; the optimizer would move it twice"
            )
        known.update(map(id, group.parameters))
        chosen.setdefault((group.rate, group.decays), []).extend(group.parameters)
    return [
        {"params": tensors, "lr": learning_rate * rate, "rate": rate, **({} if decays else {"weight_decay": 0.0})}
        for (rate, decays), tensors in chosen.items()
    ]
