"""The contract of a credit-assignment rule.

A rule decides credit and nothing else. Data, loss, optimizer, schedule, constraints, seeds, checkpoints and metrics are
the harness's, so that they are equal for all rules. Once before the first batch of a run the harness calls
``before_training``. For each batch it clears all gradients, calls ``assign_credit``, steps the optimizer and calls
``after_update``; after each epoch, ``after_epoch``.

What the harness promises, and the conformance kit (``benchsuite.testing``) asks for in return:

- Diagnostics and evaluation put network and rule into evaluation mode. ``assign_credit`` then changes no state and
  draws from no stream.
- A run is saved as ``state_dict()`` and resumed by ``attach`` with any seed and then ``load_state_dict``: everything
  that later steps depend on is in buffers or ``get_extra_state``, as tensors and plain data. A generator that is drawn
  from after ``attach`` belongs there too.
- Feedback weights have the type of the weight they stand for, and move with the rule.
- Feedback weights that learn are named in ``learned_feedback``; the harness's one optimizer updates them beside the
  forward weights, at the same moment and in the same way.

- A run may be made by several processes, each with its part of every batch. Gradients are averaged over them after
  ``assign_credit`` and before the optimizer. ``attach``, ``before_training`` and ``after_update`` happen in all of them
  with the same seeds and weights, so feedback weights stay the same everywhere. What must be drawn for each example is
  drawn for the whole batch (``benchsuite.credit.normal_noise``), what is needed of the whole batch is summed with
  ``batch.shard``.

Most rules need no more than one of the two mechanisms in ``benchsuite.credit``: ``ReplacedFeedbackRule`` (backprop with
other weights on the way back) or ``record_forward`` (credit handed to every segment directly).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from torch import Generator, Tensor, nn
from typing_extensions import TypeVar  # Python 3.13's, which knows defaults

from benchsuite.errors import IncompatibleError
from benchsuite.specs.models.base import HashedModel

if TYPE_CHECKING:
    from benchsuite.networks.criterion import Criterion
    from benchsuite.networks.network import Network
    from benchsuite.networks.shapes.network_shapes import NetworkShapes


class RuleConfig(HashedModel):
    """A rule's hyperparameters: frozen, closed, every field with a default or required by name."""


ConfigT = TypeVar("ConfigT", bound=RuleConfig, default=RuleConfig, covariant=True)
"""The hyperparameters of a rule; covariant, so that every rule is a ``Rule``."""


class RuleTraits(BaseModel):
    """What a rule needs of a network, and what it claims of itself. Conformance kit and audit test the claims."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mechanism: Literal["replaced_feedback", "direct_local_credit"]
    """How credit reaches a segment: autograd through other weights, or handed over directly."""
    source: str
    """Where the rule is published."""

    # --- needs ---
    forms: frozenset[str] = frozenset({"ordinary"})
    """Kinds of units it works with."""
    topologies: frozenset[str] = frozenset({"chain"})
    """Ways segments may be connected."""
    map_kinds: frozenset[str] | None = None
    """Linear maps it works with; None for any that keeps the contract of ``LinearMap``."""
    min_hidden_segments: int = 0
    """How many segments there must be before the readout."""

    # --- claims ---
    trains_hidden: bool = True
    """Whether segments before the readout learn."""
    hidden_update_is_backprop: bool = False
    """Whether segments before the readout get exactly backprop's gradient."""
    readout_update_is_backprop: bool = True
    """Whether the readout gets exactly backprop's gradient."""
    weight_transport: bool = False
    """Whether credit depends on the forward weights downstream of a segment by another way than the activities they
    cause, be it through signs of them or copies."""
    separate_phase: bool = False
    """Whether it needs a phase beside one forward pass and the credit that follows."""
    unit_specific_feedback: bool = True
    """Whether what is fed back tells units of one segment apart; a unit's own gate or noise is not fed back."""
    learns_feedback: bool = False
    """Whether it may name feedback weights in ``learned_feedback``: the optimizer then keeps state for them too."""
    changes_forward_weights: bool = False
    """Whether it may change forward weights itself, in ``attach`` (a mask) or ``after_update`` (a decay)."""


@dataclass(frozen=True, slots=True)
class BatchShard:
    """Which examples of a larger batch these are, where several processes make one run together.

    Attributes:
        start: position of the first of them in the whole batch.
        batch_size: how many examples that has.
        all_reduce_sum: sums a tensor over all processes; each must call it as often, in the same order.

    """

    start: int
    batch_size: int
    all_reduce_sum: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a rule gets to see of a training step.

    Attributes:
        inputs: shape (batch, *input_shape), normalised.
        targets: class indices, shape (batch,), int64.
        criterion: the loss at the output.
        shard: of the whole batch, or None where this is all of it. A rule whose gradients are means over examples need
            not look; one that draws for each example, or needs a number of the whole batch, does.

    """

    inputs: Tensor
    targets: Tensor
    criterion: Criterion
    shard: BatchShard | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a rule reports of a training step; both without a graph.

    Attributes:
        loss: mean over the batch, a scalar tensor on the device. Never read on the host within an epoch.
        logits: shape (batch, classes).

    """

    loss: Tensor
    logits: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFeedback:
    """A feedback weight that the harness's optimizer updates.

    Attributes:
        weight: a buffer of the rule; its ``.grad`` is left by ``assign_credit`` like a parameter's, and may be the very
            tensor that a forward weight has as its own: no optimizer of the harness writes into gradients.
        rate: its learning rate as a multiple of the protocol's, above zero.

    """

    weight: Tensor
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class CreditWork:
    """The work of credit beyond the forward pass and the weights' gradients, for ``benchsuite plan``.

    Attributes:
        per_example: macs per example of a batch.
        per_step: macs per step, whatever the batch.
        state_numel: elements kept from step to step: feedback weights.
        workspace_numel: elements alive within a step, whatever the batch: factors of matrices, gradients of feedback
            weights.
        workspace_numel_per_example: elements alive within a step per example, without the forward activations.

    """

    per_example: float = 0.0
    per_step: float = 0.0
    state_numel: float = 0.0
    workspace_numel: float = 0.0
    workspace_numel_per_example: float = 0.0


class Rule(nn.Module, ABC, Generic[ConfigT]):
    """A credit-assignment rule. Its buffers (feedback weights) move, save and resume with it.

    A rule with hyperparameters names their class once, in brackets. Type checkers then know ``self.config``, and
    ``Config`` is that class::

        class MyRule(Rule[MyRuleConfig]):
            name = "my_rule"
            traits = RuleTraits(...)

    """

    name: ClassVar[str]
    """What specs and the command call it."""
    Config: ClassVar[type[RuleConfig]] = RuleConfig
    """The class of its hyperparameters: the one in brackets, unless a rule that extends another's says ``Config = …``.
    Defaults are those that produced the published numbers."""
    traits: ClassVar[RuleTraits]

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Set ``Config`` to the class in brackets."""
        super().__init_subclass__(**arguments)
        in_brackets = _config_in_brackets(cls)
        if in_brackets is None:
            return
        given = cls.__dict__.get("Config", in_brackets)
        if given is not in_brackets:
            raise TypeError(
                f"rule {cls.__name__} has {in_brackets.__name__} in brackets, but Config is {given!r}; leave Config out"
            )
        cls.Config = in_brackets

    def __init__(self, config: ConfigT | None = None) -> None:
        super().__init__()
        self.config: ConfigT = cast("ConfigT", self.Config()) if config is None else config

    # --- to implement ---

    @abstractmethod
    def assign_credit(self, batch: Batch) -> StepResult:
        """Run the network forward and leave ``.grad`` on every parameter that should be updated.

        Gradients are None when this is called, and may be left in any order of memory. Must not read a tensor's value
        on the host: that stalls a GPU.
        """

    # --- to extend where needed ---

    @classmethod
    def credit_work(
        cls,
        config: ConfigT,  # type: ignore[misc]  # covariant in a parameter: whoever has any Rule validated by its Config
        shapes: NetworkShapes,
    ) -> CreditWork:
        """Return what credit takes in one network, from the shapes alone; nothing is built for it.

        Here, by the trait ``mechanism``: each segment pulls its cotangent back once, through a feedback weight unless
        all is exact; or nothing. A rule that does more says so, or its plans are too small.

        Args:
            config: of the rule, validated.
            shapes: of a network that the rule works in.

        """
        if cls.traits.mechanism == "direct_local_credit":
            return CreditWork()
        senders = [segment for segment in shapes.segments if shapes.upstream[segment.name]]
        state_numel = 0 if cls.traits.hidden_update_is_backprop else sum(segment.parameters for segment in senders)
        return CreditWork(per_example=sum(segment.macs for segment in senders), state_numel=state_numel)

    def attach(self, network: Network, generator: Generator) -> None:
        """Take hold of a network; called once. Override to make feedback weights, after ``super().attach``.

        Args:
            network: on the CPU, its weights drawn.
            generator: the feedback stream, on the CPU; the only source of randomness for feedback weights.

        Raises:
            IncompatibleError: if the network has not what ``traits`` asks for.

        """
        reasons = incompatibilities(self.traits, network.shapes)
        if reasons:
            raise IncompatibleError(self.name, reasons)
        # Past nn.Module's registration: the network is the harness's to move and save, not a part of the rule.
        self.__dict__["network"] = network

    def before_training(self) -> None:
        """Do what the rule is defined to do before it sees any data: mirror, tune feedback weights. On the clock.

        Called once per run, on the device and in training mode, before the first diagnostics; not again when the run is
        resumed, so all that it leaves behind is in the rule's saved state. Gradients are recorded: work under
        ``torch.no_grad()``.
        """

    def after_update(self) -> None:
        """Follow the optimizer's step: copy signs, mirror, move feedback weights. On the clock.

        The gradients of the step are still there, and gradients are recorded: work under ``torch.no_grad()``. Forward
        weights are the optimizer's, constraints on them the harness's; a rule whose definition has it otherwise says so
        with ``traits.changes_forward_weights``.
        """

    def after_epoch(self) -> None:
        """Look at what an epoch left on the device; may read values on the host.

        Called after each epoch, and where the time budget ends one early.

        Raises:
            SingularMapError: if the rule could not go on; the run then ends as diverged.
        """

    @property
    def learned_feedback(self) -> Iterable[LearnedFeedback]:
        """Feedback weights for the optimizer; asked for once, after ``attach`` and the move to the device."""
        return ()

    @property
    def feedback_weights(self) -> Mapping[str, Tensor]:
        """What credit passes back through instead of a segment's own weight, by segment, each in that weight's shape.

        As they are now, for diagnostics to compare with the forward weights. A segment whose own weight is used, or
        whose feedback has no such shape (a matrix from the output error), is left out.
        """
        return {}

    def target_differences(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return how far segments are from their targets: output less target, by segment, in the output's shape.

        For diagnostics, which ask in evaluation mode: like ``assign_credit`` then, it changes no state and draws from
        no stream. In the numbers' type that targets are worked out in. Empty for a rule that has no targets.
        """
        return {}

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Segments whose credit is not backprop's, in forward order. Reported in the record."""
        return ()

    if TYPE_CHECKING:
        network: Network


def _config_in_brackets(rule: type[Rule]) -> type[RuleConfig] | None:
    """Return the config class that a rule's own base is subscripted with; None if it is not.

    Raises:
        TypeError: if what stands in brackets is no config class.

    """
    for base in rule.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base)
        if not (isinstance(origin, type) and issubclass(origin, Rule)):
            continue
        (argument,) = get_args(base)
        # A mechanism that leaves it to its rules has the least that they may say.
        found = argument.__bound__ if hasattr(argument, "__bound__") else argument
        if not (isinstance(found, type) and issubclass(found, RuleConfig)):
            raise TypeError(
                f"rule {rule.__name__} has {argument!r} in brackets, expected a subclass of RuleConfig defined above it"
            )
        return found
    return None


def parameter_groups(network: Network, rule: Rule, learning_rate: float) -> list[dict[str, Any]]:
    """Return what an optimizer gets of a network and its rule: one group for each learning rate.

    Each group keeps its ``rate``, so that a schedule sets ``lr`` to the protocol's rate times it. Feedback weights of
    rate one share the network's group and with it the optimizer's one pass over memory.
    """
    by_rate: dict[float, list[Tensor]] = {1.0: list(network.parameters())}
    for learned in rule.learned_feedback:
        by_rate.setdefault(learned.rate, []).append(learned.weight)
    return [{"params": weights, "lr": learning_rate * rate, "rate": rate} for rate, weights in by_rate.items()]


def incompatibilities(traits: RuleTraits, shapes: NetworkShapes) -> list[str]:
    """Return why a rule cannot work in a network, one sentence a reason; empty if it can."""
    reasons = []
    if shapes.form not in traits.forms:
        reasons.append(f"needs a network of form {_either(traits.forms)}, this one is {shapes.form}")
    if shapes.topology not in traits.topologies:
        this = _TOPOLOGIES.get(shapes.topology, f"a {shapes.topology}")
        reasons.append(f"needs a {_either(traits.topologies)}, this network is {this}")
    if traits.map_kinds is not None:
        strange = sorted({s.map_kind for s in shapes.segments} - traits.map_kinds)
        if strange:
            names = ", ".join(s.name for s in shapes.segments if s.map_kind in strange)
            reasons.append(f"has no form for {', '.join(strange)} maps ({names}); it knows {_either(traits.map_kinds)}")
    hidden = len(shapes.segments) - 1
    if hidden < traits.min_hidden_segments:
        reasons.append(f"needs at least {traits.min_hidden_segments} hidden segments, this network has {hidden}")
    return reasons


_TOPOLOGIES = {"adopted": "an adopted module, in which autograd alone knows what lies between its maps"}
"""How a refusal describes what its name does not say."""


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
