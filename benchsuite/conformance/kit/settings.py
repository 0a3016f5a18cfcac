"""Settings of a conformance class, and the methods that all checks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import torch

from benchsuite.conformance.kit.cases import NOT_APPLICABLE, applies, checks_on_networks
from benchsuite.conformance.samples.networks import DIGITS_NETWORKS, SAMPLE_NETWORKS, SampleNetwork
from benchsuite.conformance.samples.trial import Trial
from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.credit.traits import incompatibilities
from benchsuite.errors import IncompatibleError
from benchsuite.networks.shapes.network_shapes import NetworkShapes


class ConformanceSettings:
    """The rule under test and how it is tested; every attribute but ``rule`` has a default."""

    rule: ClassVar[type[Rule]]
    """The rule under test."""
    config: ClassVar[RuleConfig | None] = None
    """Hyperparameters of the rule; the rule's defaults if not given."""
    networks: ClassVar[Sequence[SampleNetwork]] = SAMPLE_NETWORKS
    """Networks to check on; a check is collected for those that the rule can work in and where the check applies."""
    default_cases: ClassVar[Mapping[str, frozenset[str]] | None] = None
    """Names of the networks that each check runs on by default, by the check's name; the others are marked ``full``.
    None runs every check on every network: about 450 cases and 15 s for a rule that works everywhere. A package with
    many rules calls ``select_covering_set``, which sets it."""
    draws_noise: ClassVar[bool] = False
    """True if ``assign_credit`` draws random numbers in every step, as rules do that learn from noise. Such a rule
    gives another gradient for a batch repeated twice, so that check is left out."""

    learning_config: ClassVar[RuleConfig | None] = None
    """Hyperparameters to learn digits with, if not ``config``."""
    learning_network: ClassVar[SampleNetwork | None] = None
    """Network trained on scikit-learn's digits: input (64,) or (1, 8, 8), 10 classes. If not given, the first of the
    kit's own that the rule can work in."""
    learning_floor: ClassVar[float | None] = None
    """Least test accuracy on digits after the fixed budget; if not given, 0.8 where hidden segments learn, else 0.5.

    Measured over eight seeds: backprop 0.96 to 0.97, feedback alignment and DFA 0.95 to 0.96, direct random target
    projection 0.86 to 0.90, readout only 0.58 to 0.75. So 0.8 shows that hidden segments learn something of use.
    """
    learning_rate: ClassVar[float] = 0.003
    """Learning rate of Adam on the digits."""
    learning_epochs: ClassVar[int] = 20
    """Passes over the 1,297 training digits, in batches of 64."""

    min_bf16_cosine: ClassVar[float] = 0.9
    """Least cosine between the bfloat16 and the float32 update of the whole network; lower it for sign-like updates.
    Not asked of a rule whose ``min_precision`` is finer than ``bf16``."""

    not_capturable: ClassVar[str] = ""
    """Reason why a step cannot be captured in a CUDA graph, such as a solver that stops when it has converged."""

    work_tolerance: ClassVar[float] = 1.5
    """Greatest factor between the work that ``credit_work`` says and the products that a step makes."""

    _known_compatible: ClassVar[tuple[tuple[int, ...], list[SampleNetwork]] | None] = None
    """Answer of ``compatible``, with what it was given to: the rule's traits and the networks."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Remove the checks that have no case for the rule, so that pytest has nothing to skip."""
        super().__init_subclass__(**options)
        if not hasattr(cls, "rule"):
            return  # a base class of the kit itself
        for name, check in checks_on_networks(cls).items():
            setattr(cls, name, check if cls.cases(name) else NOT_APPLICABLE)

    def make_rule(self) -> Rule:
        """Return a fresh rule; override if it takes more than a config."""
        return self.rule(self.config)

    @pytest.fixture(autouse=True)
    def _one_thread(self) -> Iterator[None]:
        # A second thread gains nothing on networks this small. Where other processes keep the cores busy, waiting
        # for it made the digits take 20 s instead of 1 s.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test that takes a ``sample`` once per network on which it applies."""
        if "need" in metafunc.fixturenames:
            metafunc.parametrize("need", self.needs())
        if "sample" in metafunc.fixturenames:
            check = metafunc.function.__name__
            metafunc.parametrize("sample", [self._parameter(check, sample) for sample in self.cases(check)])

    def _parameter(self, check: str, sample: SampleNetwork) -> object:
        default = (self.default_cases or {}).get(check)
        beyond = default is not None and sample.name not in default
        return pytest.param(sample, id=sample.name, marks=[pytest.mark.full] if beyond else [])

    @classmethod
    def cases(cls, check: str) -> list[SampleNetwork]:
        """Return the networks on which a check of this class applies."""
        function = checks_on_networks(cls)[check]
        return [sample for sample in cls.compatible() if applies(function, cls, sample)]

    @classmethod
    def needs(cls) -> list[str]:
        """Return the respects in which the rule cannot handle every network."""
        traits = cls.rule.traits
        optional = {"map_kind": traits.map_kinds is not None, "min_hidden_segments": traits.min_hidden_segments > 0}
        return ["form", "topology", *(need for need, stated in optional.items() if stated)]

    def start(
        self,
        sample: SampleNetwork,
        *,
        init_seed: int = 1,
        feedback_seed: int = 2,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        fresh: bool = True,
    ) -> Trial:
        """Return a new rule attached to a new network; pass ``fresh=False`` if it is about to be resumed.

        Skips the test if ``attach`` refuses the network for a reason that traits cannot state.
        """
        with refusal_skips():
            return Trial.start(
                self.make_rule(),
                sample,
                init_seed=init_seed,
                feedback_seed=feedback_seed,
                dtype=dtype,
                device=device,
                fresh=fresh,
            )

    def learns(self, trial: Trial, parameter: str) -> bool:
        """Return True if the contract asks for a gradient of this parameter."""
        return parameter not in trial.rule.untrained

    @classmethod
    def compatible(cls) -> list[SampleNetwork]:
        """Return the networks the rule says it can work in."""
        traits = cls.rule.traits
        asked = (id(traits), *map(id, cls.networks))
        known = vars(cls).get("_known_compatible")
        if known is None or known[0] != asked:  # asked for by every check of every suite while pytest collects
            found = [s.for_losses(traits.losses) for s in cls.networks if not incompatibilities(traits, s.shapes)]
            known = cls._known_compatible = (asked, found)
        return list(known[1])

    @property
    def digits_network(self) -> SampleNetwork:
        """The network that is trained on scikit-learn's digits."""
        if self.learning_network is not None:
            return self.learning_network
        return next((n for n in DIGITS_NETWORKS if not self.refusals(n.shapes)), DIGITS_NETWORKS[0])

    def refusals(self, shapes: NetworkShapes) -> list[str]:
        """Return the reasons why the rule's traits exclude a network; empty if they do not."""
        return incompatibilities(self.rule.traits, shapes)


@contextmanager
def refusal_skips() -> Iterator[None]:
    """Skip the test if the rule refuses the network within the block: that is an answer, not a failure."""
    try:
        yield
    except IncompatibleError as error:
        pytest.skip(f"attach refuses this network: {error}")


def batches(sample: SampleNetwork, count: int, start: int = 0, dtype: torch.dtype = torch.float32) -> list[Batch]:
    """Return consecutive batches of the sample's fixed order."""
    return [sample.batch(position, dtype=dtype) for position in range(start, start + count)]


def require(holds: bool, *, asks: str, seen: object, remedy: str) -> None:
    """Fail with a message that says what the contract asks, what was seen, and what to do.

    Raises:
        AssertionError: if it does not hold.

    """
    __tracebackhide__ = True
    if not holds:
        found = ", ".join(map(str, seen)) if isinstance(seen, list) else seen
        raise AssertionError(f"the contract asks: {asks}\n  seen: {found}\n  what to do: {remedy}")
