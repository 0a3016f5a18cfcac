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

- A rule may predict in its own way (``predict``), own parameters that learn (``trained_parameters``), work in several
  phases (``phases``), and leave parameters of the network alone (``untrained``). The harness asks the rule for each of
  these; nothing else of the suite names a rule.

Most rules need only one of the two mechanisms in ``benchsuite.credit``: ``ReplacedFeedbackRule`` (backprop with other
weights in the backward pass) or ``record_forward`` (credit given to every segment directly). A rule with losses or
energies of its own forms its gradients itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, cast, get_args, get_origin

from pydantic import ConfigDict
from torch import Generator, Tensor, nn
from typing_extensions import TypeVar  # from Python 3.13, with defaults

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.parameters import LearnedFeedback, ParameterGroup
from benchsuite.credit.phases import Phase, PhaseTimes
from benchsuite.credit.traits import RuleTraits, incompatibilities
from benchsuite.credit.work import CreditWork
from benchsuite.errors import IncompatibleError
from benchsuite.specs.models.base import HashedModel

if TYPE_CHECKING:
    from benchsuite.networks.network import Network
    from benchsuite.networks.shapes.network_shapes import NetworkShapes


class RuleConfig(HashedModel):
    """A rule's hyperparameters: frozen, no unknown fields, every field with a default or required by name."""

    # What `benchsuite info` shows as a field's meaning.
    model_config = ConfigDict(use_attribute_docstrings=True)


ConfigT = TypeVar("ConfigT", bound=RuleConfig, default=RuleConfig, covariant=True)
"""Type of a rule's hyperparameters; covariant, so that every rule is a ``Rule``."""


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
    phase_times: PhaseTimes | None = None
    """Set by ``benchsuite time`` to measure phases."""

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
        the host: that stalls a GPU. The result's loss and logits are those of the forward pass or, with
        ``traits.own_inference``, of any pass that tells how training goes.
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
        Otherwise there is no work. A rule that does more overrides this; otherwise its plans are too
        small.

        Args:
            config: of the rule, validated.
            shapes: of a network that the rule can work in.

        """
        if cls.traits.mechanism != "replaced_feedback":
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

    def predict(self, inputs: Tensor) -> Tensor:
        """Return the logits for inputs: the numbers of which the largest is the predicted class.

        The harness evaluates with it. Override it, and set ``traits.own_inference``, if a prediction is not one forward
        pass of the network: an equilibrium, or a goodness per label. Called in evaluation mode and without autograd; it
        changes no state and draws from no random stream.

        Args:
            inputs: shape (batch, *input_shape).

        Returns:
            Shape (batch, outputs).

        """
        logits: Tensor = self.network(inputs)
        return logits

    @property
    def trained_parameters(self) -> Iterable[ParameterGroup]:
        """Groups of the rule's own parameters that learn: local classifiers, decoders, precisions.

        Read once, after ``attach`` and the move to the device. ``assign_credit`` leaves their ``.grad``; the harness's
        optimizer updates them with the network's. They are counted apart from the network's parameters.
        """
        return ()

    @classmethod
    def phases(
        cls,
        config: ConfigT,  # type: ignore[misc]  # as in credit_work
    ) -> tuple[Phase, ...]:
        """Return the phases of a training step beyond one forward pass and its credit; shown by ``plan`` and pages.

        ``with self.phase(name):`` around the work of each lets ``benchsuite time`` measure it.
        """
        return ()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Mark the block as the work of a phase that ``phases`` declares; it is timed when asked for, else free."""
        if self.phase_times is None:
            yield
        else:
            with self.phase_times.of(name):
                yield

    @property
    def untrained(self) -> frozenset[str]:
        """Names of the network's parameters that the rule leaves alone, such as biases that it has no change for.

        By default none, or all of hidden segments where ``traits.trains_hidden`` is False.
        """
        if self.traits.trains_hidden:
            return frozenset()
        trained = self.network.parameter_names([self.network.readout])
        return frozenset(name for name, _ in self.network.named_parameters() if name not in trained)

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
