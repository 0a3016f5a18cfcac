"""Choose the networks that each check runs on: all where it applies, and the subset run by default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchsuite.conformance.samples.networks import SampleNetwork

if TYPE_CHECKING:
    from benchsuite.conformance.kit.settings import ConformanceSettings

Suite = type["ConformanceSettings"]
Condition = Callable[[Suite, SampleNetwork], bool]
Check = TypeVar("Check", bound=Callable[..., None])

_CONDITION: Final = "_applies_where"


class _NotApplicable:
    """Placeholder for a check that has no case. pytest collects only callables."""

    def __repr__(self) -> str:
        return "a check that does not apply to this rule"


NOT_APPLICABLE: Final = _NotApplicable()


def only_where(condition: Condition) -> Callable[[Check], Check]:
    """Leave out, at collection, the cases of a check in which it would show nothing.

    Args:
        condition: called with the conformance class and a network; true where the check applies.

    """

    def conditional(check: Check) -> Check:
        setattr(check, _CONDITION, condition)
        return check

    return conditional


def applies(check: object, suite: Suite, sample: SampleNetwork) -> bool:
    """Return True if a check applies to a suite's rule on one network that the rule can work in."""
    condition: Condition | None = getattr(check, _CONDITION, None)
    return condition is None or condition(suite, sample)


def checks_on_networks(suite: Suite) -> Mapping[str, Any]:
    """Return the checks of a conformance class that take a network, including those that do not apply to its rule."""
    return _checks_among(suite.__mro__)


@cache  # asked for by every check of every suite while pytest collects
def _checks_among(classes: tuple[type, ...]) -> Mapping[str, Any]:
    found = {}
    for name in sorted({name for base in classes for name in vars(base) if name.startswith("test_")}):
        definitions = (vars(base)[name] for base in classes if name in vars(base))
        check = next((d for d in definitions if d is not NOT_APPLICABLE), None)
        if callable(check) and "sample" in signature(check).parameters:
            found[name] = check
    return MappingProxyType(found)


def select_covering_set(suites: Sequence[Suite], variants: Sequence[Suite] = ()) -> None:
    """Run a covering set of cases by default, and mark all others ``full``.

    For a package with many rules or settings, where every case of every suite would take minutes. Each check of each
    suite runs on one network of every form (ordinary, vectorized, invertible) that the rule works in; and over all
    suites, each check runs on every network that any of their rules can work in. Each check of each variant runs on one
    network; forms take turns, so that every variant runs in every form. ``pytest -m full`` runs the rest.

    Args:
        suites: conformance classes; only their order decides the choice.
        variants: conformance classes of other settings of rules that ``suites`` have.

    """
    every = [*suites, *variants]
    chosen: dict[Suite, dict[str, frozenset[str]]] = {suite: {} for suite in every}
    for turn, check in enumerate(sorted({name for suite in every for name in checks_on_networks(suite)})):
        forms = {suite: _forms(suite.cases(check)) for suite in suites}
        for place, suite in enumerate(variants, start=turn):
            forms[suite] = _rotated(_forms(suite.cases(check)), place)[:1]
        for suite, names in _cover(check, forms, turn).items():
            chosen[suite][check] = names
    for suite, cases in chosen.items():
        suite.default_cases = cases


def _forms(samples: Sequence[SampleNetwork]) -> list[str]:
    return list(dict.fromkeys(sample.shapes.form for sample in samples))


def _cover(check: str, forms: Mapping[Suite, Sequence[str]], turn: int) -> dict[Suite, frozenset[str]]:
    """Return the networks that each suite runs one check on, one of each of its forms or more.

    Suites with the least choice come first.
    """
    suites = list(forms)
    cases = {suite: suite.cases(check) for suite in suites}
    uses: Counter[str] = Counter()
    chosen: dict[Suite, set[str]] = {suite: set() for suite in suites}
    for suite in sorted(suites, key=lambda suite: len(cases[suite])):
        for form in forms[suite]:
            names = [sample.name for sample in cases[suite] if sample.shapes.form == form]
            # Start at another network for each check: else a suite would see the same network in all of them.
            name = min(_rotated(names, turn), key=uses.__getitem__)
            uses[name] += 1
            chosen[suite].add(name)
    for suite in suites:
        for name in (sample.name for sample in cases[suite] if not uses[sample.name]):
            uses[name] += 1
            chosen[suite].add(name)
    return {suite: frozenset(names) for suite, names in chosen.items()}


def _rotated(names: list[str], turn: int) -> list[str]:
    first = turn % max(1, len(names))
    return names[first:] + names[:first]


def deepest_of_each_form(samples: Sequence[SampleNetwork]) -> set[str]:
    """Return the names of the deepest network of each form, of those that are built from specs if there are any."""
    own = [sample for sample in samples if sample.shapes.topology != "adopted"] or samples
    deepest = {sample.shapes.form: sample.name for sample in sorted(own, key=lambda s: len(s.shapes.segments))}
    return set(deepest.values())
