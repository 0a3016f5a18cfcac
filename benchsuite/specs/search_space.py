"""Search spaces and the settings of trials: a fixed quasi-random sequence, in which a trial's number is its settings.

A trial's settings depend on the search space, the sampler's seed and its number alone, not on the results of
other trials. So any number of processes makes the same trials, in any order.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.hashing import canonical_json, id_of_hash, sha256_of, spec_hash
from benchsuite.specs.models.base import strip_documentation
from benchsuite.specs.models.protocol import OptimizerSpec, Sgd
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning import CONFIG, RATE, TuningSpec, with_settings
from benchsuite.specs.models.tuning_budget import SearchDimension, Tunable, TuningBudget

ADAM_RATES = (1e-5, 1e-1)
"""Range of Adam's and AdamW's learning rate: two decades on either side of its usual default, 1e-3."""

SGD_RATES = (1e-3, 1e1)
"""Range of SGD's learning rate, times ``1 - momentum``: momentum m makes steps ``1 / (1 - m)`` times as long in the
long run, so the same steps are searched with any momentum. With 0.9 it is 1e-4 to 1."""

MAX_DIMENSIONS = 16


def rate_range(optimizer: OptimizerSpec) -> tuple[float, float]:
    """Return the learning rates that are searched, the same four decades for every rule."""
    if not isinstance(optimizer, Sgd):
        return ADAM_RATES
    low, high = (float(f"{bound * (1 - optimizer.momentum):.6g}") for bound in SGD_RATES)
    return low, high


def search_space(run: RunSpec, fields: Mapping[str, FieldInfo]) -> tuple[SearchDimension, ...]:
    """Return what is searched for a rule: the learning rate, and the fields of its ``Config`` marked tunable.

    Args:
        run: any run of the rule on the track.
        fields: of the rule's ``Config``.

    Raises:
        SpecError: if a field is marked that cannot be searched.

    """
    low, high = rate_range(run.protocol.optimizer)
    space = [SearchDimension(field=RATE, low=low, high=high)]
    problems = []
    for name, field in sorted(fields.items()):
        mark = next((each for each in field.metadata if isinstance(each, Tunable)), None)
        if mark is None:
            continue
        try:
            space.append(_dimension(name, field, mark))
        except ValueError as error:
            problems.append(Problem(f"cannot be searched: {error}", field=f"rules.{run.rule.name}.config.{name}"))
    if len(space) > MAX_DIMENSIONS:
        problems.append(Problem(f"{len(space) - 1} fields of {run.rule.name} are tunable, at most 15 can be"))
    if problems:
        raise SpecError(problems, subject=f"search space of {run.rule.name}")
    return tuple(space)


def _dimension(name: str, field: FieldInfo, mark: Tunable) -> SearchDimension:
    kinds = {kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)}
    if not kinds & {int, float}:
        raise ValueError("it is no number")
    low, high = mark.range_around(field.get_default(call_default_factory=True))
    integer = float not in kinds
    return SearchDimension(
        field=CONFIG + name,
        low=low,
        high=high,
        log=mark.log,
        integer=integer,
        changes_work=mark.changes_work or integer,  # a number of samples or of passes
    )


def tuning_of(run: RunSpec, space: tuple[SearchDimension, ...], budget: TuningBudget) -> TuningSpec:
    """Return the tuning of a rule on a track.

    Args:
        run: a run whose data set has validation examples; what is searched may have any value.
        space: what is searched.
        budget: the number of trials and their epochs.

    Raises:
        ValueError: if the data set has no validation examples.

    """
    protocol, hide = run.protocol, {}
    if not protocol.stop_at_zero_train_error:
        # The error on learned examples decides nothing here, and is half of the time of an evaluation.
        hide = {"train_set": False}
    evaluation = protocol.evaluation.model_copy(update=hide)
    epochs = budget.epochs or protocol.epochs
    final_epochs = (budget.final_epochs or protocol.epochs) if budget.finalists else None
    budget = budget.model_copy(update={"epochs": epochs, "final_epochs": final_epochs})
    dataset: Any = run.dataset
    if not hasattr(dataset, "for_tuning"):
        raise ValueError(f"data set '{dataset.name}' is streamed from files, of which no validation examples are drawn")
    trial = run.model_copy(
        update={
            "dataset": dataset.for_tuning(),
            "protocol": protocol.model_copy(update={"epochs": epochs, "evaluation": evaluation}),
            "diagnostics": type(run.diagnostics)(),
            "rule": run.rule.model_copy(update={"title": ""}),
            "seed": budget.seed,
        }
    )
    middle = {dimension.field: dimension.at(0.5) for dimension in space}
    return TuningSpec(run=with_settings(trial, middle), space=space, budget=budget)


def trial_settings(spec: TuningSpec) -> list[dict[str, float | int]]:
    """Return the settings of all trials by their numbers: points of a scrambled Sobol sequence.

    The learning rates of a budget are the same for all rules, whatever else is searched: all spaces take their
    coordinates from one sequence of 16 dimensions.
    """
    from scipy.stats import qmc

    sampler = qmc.Sobol(MAX_DIMENSIONS, scramble=True, rng=spec.budget.sampler_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of numbers that are no power of two: a bit less even
        points = sampler.random(spec.budget.trials)  # (trials, 16)
    return [
        {dimension.field: dimension.at(float(point[place])) for place, dimension in enumerate(spec.space)}
        for point in points
    ]


def tuning_hash(spec: TuningSpec) -> str:
    """Return the sha256 of everything that determines a tuning; 64 hexadecimal digits."""
    plain = {
        "run": spec_hash(spec.run),
        "space": _searched(spec),
        "budget": spec.budget.model_dump(mode="json"),
    }
    return sha256_of(canonical_json(plain))


def _searched(spec: TuningSpec) -> list[dict[str, Any]]:
    """Return what decides the settings of trials; the work that a setting takes does not."""
    return [dimension.model_dump(mode="json", exclude={"changes_work"}) for dimension in spec.space]


def tuning_id(spec: TuningSpec) -> str:
    """Return the first 16 digits of a tuning's hash: what names it in files and on the board."""
    return id_of_hash(tuning_hash(spec))


def same_search(one: TuningSpec, other: TuningSpec) -> bool:
    """Return True if two tunings differ in budget and machine at most: either has settings for the other's runs."""
    return _conditions(one) == _conditions(other)


def _conditions(spec: TuningSpec) -> str:
    run = spec.run
    protocol = run.protocol.model_dump(mode="json", exclude={"epochs", "evaluation", "timeout_s"})
    parts = [p.model_dump(mode="json") for p in (run.dataset, run.architecture, run.pretraining, run.rule)]
    return canonical_json([run.track, run.tier, *map(strip_documentation, parts), protocol, _searched(spec)])


def is_close(one: float, other: float) -> bool:
    """Return True if two settings are the same but for a last digit of another machine's logarithm."""
    return math.isclose(one, other, rel_tol=2e-6)
