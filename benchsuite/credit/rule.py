"""The contract of a credit-assignment rule.

A rule computes credit and nothing else. The harness does the rest (data, loss, optimizer, schedule, constraints, seeds,
checkpoints and metrics), so that it is equal for all rules. The harness calls ``before_training`` once, before the
first batch of a run. For each batch it clears all gradients, calls ``assign_credit``, steps the optimizer and calls
``after_update``. After each epoch it calls ``after_epoch``.

The harness promises the following, and the conformance kit (``benchsuite.testing``) checks that a rule does its part:

- Diagnostics and evaluation put network and rule into evaluation mode. ``assign_credit`` then changes no state and
  draws from no random stream.
- A run is saved as ``state_dict()`` and resumed by ``attach`` with any seed and then ``load_state_dict``. So everything
  that later steps depend on is in buffers or ``get_extra_state``, as tensors and plain data. A generator that the rule
  draws from after ``attach`` belongs there too.
- Feedback weights have the dtype of the weight they stand for, and move with the rule.
- Learned feedback weights are listed in ``learned_feedback``. The harness's one optimizer updates them together with
  the forward weights, at the same moment and in the same way.
- Several processes may share a run, each with its part of every batch. Gradients are averaged over ranks after
  ``assign_credit`` and before the optimizer step. ``attach``, ``before_training`` and ``after_update`` run on all ranks
  with the same seeds and weights, so feedback weights stay equal on all ranks. Draw random numbers per example for the
  whole batch (``benchsuite.credit.normal_noise``); sum a quantity of the whole batch with ``batch.shard``.

Most rules need only one of the two mechanisms in ``benchsuite.credit``: ``ReplacedFeedbackRule`` (backprop with other
weights in the backward pass) or ``record_forward`` (credit given to every segment directly).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict
from torch import Generator, Tensor, nn
from typing_extensions import TypeVar  # from Python 3.13, with defaults

from benchsuite.errors import IncompatibleError
from benchsuite.specs.models.base import HashedModel
from benchsuite.specs.models.hardware import Precision as HardwarePrecision

if TYPE_CHECKING:
    from benchsuite.networks.criterion import Criterion
    from benchsuite.networks.network import Network
    from benchsuite.networks.shapes.network_shapes import NetworkShapes


class RuleConfig(HashedModel):
    """A rule's hyperparameters: frozen, no unknown fields, every field with a default or required by name."""

    # What `benchsuite info` shows as a field's meaning.
    model_config = ConfigDict(use_attribute_docstrings=True)


ConfigT = TypeVar("ConfigT", bound=RuleConfig, default=RuleConfig, covariant=True)
"""Type of a rule's hyperparameters; covariant, so that every rule is a ``Rule``."""


class RuleTraits(BaseModel):
    """Requirements of a rule on a network, and traits that it declares, which conformance kit and audit test."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mechanism: Literal["replaced_feedback", "direct_local_credit"]
    """The way credit reaches a segment: autograd through other weights, or given directly."""
    source: str
    """Publication of the rule."""

    # --- needs ---
    forms: frozenset[str] = frozenset({"ordinary"})
    """Forms of network units that the rule works with."""
    topologies: frozenset[str] = frozenset({"chain"})
    """Network topologies that the rule works with."""
    map_kinds: frozenset[str] | None = None
    """Kinds of linear maps that the rule works with; None for any that keeps the contract of ``LinearMap``."""
    min_hidden_segments: int = 0
    """Minimum number of segments before the readout."""
    min_precision: HardwarePrecision = "bf16"
    """Coarsest number format of matrix products in which the rule works: ``bf16``, ``tf32`` or ``fp32``."""

    # --- declared traits ---
    trains_hidden: bool = True
    """True if segments before the readout learn."""
    hidden_update_is_backprop: bool = False
    """True if segments before the readout get exactly backprop's gradient."""
    readout_update_is_backprop: bool = True
    """True if the readout gets exactly backprop's gradient."""
    weight_transport: bool = False
    """True if credit depends on the forward weights downstream of a segment in any way except through the activities
    they cause, for example through their signs or copies of them."""
    separate_phase: bool = False
    """True if the rule needs a phase in addition to one forward pass and the credit that follows."""
    unit_specific_feedback: bool = True
    """True if the feedback differs between units of one segment; a unit's own gate or noise is not feedback."""
    learns_feedback: bool = False
    """True if the rule may list weights in ``learned_feedback``; the optimizer then keeps state for them too."""
    changes_forward_weights: bool = False
    """True if the rule may change forward weights itself, in ``attach`` (a mask) or ``after_update`` (a decay)."""


@dataclass(frozen=True, slots=True)
class BatchShard:
    """Place of one rank's examples in the whole batch, if several processes share a run.

    Attributes:
        start: position of this rank's first example in the whole batch.
        batch_size: number of examples in the whole batch.
        all_reduce_sum: sums a tensor over all ranks; all must call it equally often, in the same order.

    """

    start: int
    batch_size: int
    all_reduce_sum: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """Input of one training step for a rule.

    Attributes:
        inputs: shape (batch, *input_shape), normalised.
        targets: class indices, shape (batch,), int64.
        criterion: the loss at the output.
        shard: place of these examples in the whole batch; None if they are the whole batch. A rule whose gradients are
            means over examples can ignore it. A rule that draws random numbers per example, or needs a quantity of the
            whole batch, must use it.

    """

    inputs: Tensor
    targets: Tensor
    criterion: Criterion
    shard: BatchShard | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one training step; both tensors are detached from the graph.

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
        weight: a buffer of the rule. ``assign_credit`` sets its ``.grad`` like a parameter's. The gradient may be the
            same tensor as a forward weight's gradient: no optimizer of the harness writes into gradients.
        rate: its learning rate as a multiple of the protocol's, above zero.

    """

    weight: Tensor
    rate: float = 1.0


@dataclass(frozen=True, slots=True)
class CreditWork:
    """Work of credit in addition to the forward pass and the weight gradients, for ``benchsuite plan``.

    Attributes:
        per_example: macs per example of a batch.
        per_step: macs per step, independent of the batch size.
        state_numel: elements kept between steps: feedback weights.
        workspace_numel: elements alive within a step, independent of the batch size: factors of matrices, gradients of
            feedback weights.
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
    """Name of the rule in specs and in the command."""
    Config: ClassVar[type[RuleConfig]] = RuleConfig
    """Class of the hyperparameters: the one in brackets, unless a rule that extends another rule sets ``Config = …``.
    Its defaults are the values that gave the published numbers."""
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

        Gradients are None when this is called, and may be left in any memory format. Must not read a tensor's value on
        the host: that stalls a GPU.
        """

    # --- to extend where needed ---

    @classmethod
    def credit_work(
        cls,
        config: ConfigT,  # type: ignore[misc]  # covariant in a parameter; safe: callers validate config with Config
        shapes: NetworkShapes,
    ) -> CreditWork:
        """Return the work of credit in one network, from its shapes alone; nothing is built for it.

        The default depends on the trait ``mechanism``. With ``replaced_feedback``, each segment that has segments
        upstream passes its gradient back once, through a feedback weight unless the gradient is exactly backprop's.
        With ``direct_local_credit`` there is no work. A rule that does more overrides this; otherwise its plans are too
        small.

        Args:
            config: of the rule, validated.
            shapes: of a network that the rule can work in.

        """
        if cls.traits.mechanism == "direct_local_credit":
            return CreditWork()
        senders = [segment for segment in shapes.segments if shapes.upstream[segment.name]]
        state_numel = 0 if cls.traits.hidden_update_is_backprop else sum(segment.parameters for segment in senders)
        return CreditWork(per_example=sum(segment.macs for segment in senders), state_numel=state_numel)

    @classmethod
    def reference_config(
        cls,
        config: ConfigT,  # type: ignore[misc]  # as in credit_work
    ) -> RuleConfig:
        """Return the hyperparameters under which the same credit is worked out most exactly, for the precision audit.

        Override if some of them change no more than the arithmetic: a precision, or a form that is equal in exact
        arithmetic. The rule's saved state must be the same under both.
        """
        return config

    def attach(self, network: Network, generator: Generator) -> None:
        """Attach the rule to a network; called once. Override to make feedback weights, after ``super().attach``.

        Args:
            network: on the CPU, with its initial weights.
            generator: random stream of feedback, on the CPU; the only source of randomness for feedback weights.

        Raises:
            IncompatibleError: if the network lacks what ``traits`` asks for.

        """
        reasons = incompatibilities(self.traits, network.shapes)
        if reasons:
            raise IncompatibleError(self.name, reasons)
        # Not registered as a submodule: the harness moves and saves the network; it is not part of the rule.
        self.__dict__["network"] = network

    def before_training(self) -> None:
        """Do the rule's work before training, such as mirroring or tuning feedback weights. On the clock.

        Called once per run, on the device and in training mode, before the first diagnostics. Not called again when the
        run is resumed, so all its results must be in the rule's saved state. Autograd records: work under
        ``torch.no_grad()``.
        """

    def after_update(self) -> None:
        """Do the rule's work after the optimizer's step: copy signs, mirror, move feedback weights. On the clock.

        The gradients of the step are still set, and autograd records: work under ``torch.no_grad()``. Only the
        optimizer changes forward weights, and only the harness applies constraints to them. A rule that is defined
        otherwise sets ``traits.changes_forward_weights``.
        """

    def after_epoch(self) -> None:
        """Check the rule's state after an epoch; may read values on the host.

        Called after each epoch, also after one that the time budget ends early.

        Raises:
            SingularMapError: if the rule cannot continue; the run then ends as diverged.
        """

    @property
    def learned_feedback(self) -> Iterable[LearnedFeedback]:
        """Feedback weights for the optimizer; read once, after ``attach`` and the move to the device."""
        return ()

    @property
    def feedback_weights(self) -> Mapping[str, Tensor]:
        """Present feedback weights that replace segments' own weights, by segment, each in the shape of that weight.

        Diagnostics compare them with the forward weights. Leave out a segment whose own weight is used, or whose
        feedback weight has another shape (a matrix from the output error).
        """
        return {}

    def target_differences(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return output minus target of each segment that has a target, by segment, in the output's shape.

        Diagnostics call this in evaluation mode: like ``assign_credit`` there, it changes no state and draws from no
        random stream. The dtype is the one in which targets are computed. Empty for a rule without targets.
        """
        return {}

    @property
    def taken_over(self) -> tuple[str, ...]:
        """Names of the segments whose credit is not backprop's, in forward order; written to the record."""
        return ()

    if TYPE_CHECKING:
        network: Network


def _config_in_brackets(rule: type[Rule]) -> type[RuleConfig] | None:
    """Return the config class in the brackets of a rule's base class; None without brackets.

    Raises:
        TypeError: if the argument in brackets is not a config class.

    """
    for base in rule.__dict__.get("__orig_bases__", ()):
        origin = get_origin(base)
        if not (isinstance(origin, type) and issubclass(origin, Rule)):
            continue
        (argument,) = get_args(base)
        # A type variable, in a mechanism that leaves the config to its rules: its bound is the most general config.
        found = argument.__bound__ if hasattr(argument, "__bound__") else argument
        if not (isinstance(found, type) and issubclass(found, RuleConfig)):
            raise TypeError(
                f"rule {rule.__name__} has {argument!r} in brackets, expected a subclass of RuleConfig defined above it"
            )
        return found
    return None


def parameter_groups(network: Network, rule: Rule, learning_rate: float) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups for a network and its rule, one per learning rate.

    Each group stores its ``rate``; a schedule sets ``lr`` to the protocol's learning rate times ``rate``. Feedback
    weights with rate 1 are in the network's group, so that the optimizer makes one pass over memory for both.
    """
    by_rate: dict[float, list[Tensor]] = {1.0: list(network.parameters())}
    for learned in rule.learned_feedback:
        by_rate.setdefault(learned.rate, []).append(learned.weight)
    return [{"params": weights, "lr": learning_rate * rate, "rate": rate} for rate, weights in by_rate.items()]


def incompatibilities(traits: RuleTraits, shapes: NetworkShapes) -> list[str]:
    """Return the reasons why a rule cannot work in a network, one sentence per reason; empty if it can."""
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
"""Descriptions, in refusals, of topologies whose names do not explain themselves."""


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))
