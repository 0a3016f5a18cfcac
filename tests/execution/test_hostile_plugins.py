"""Oracle: a plugin's error is that plugin's: it is named with its distribution, and all else goes on."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import pluggy
import pytest
import torch
from torch import nn

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.credit.work import CreditWork
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.errors import DivergedError, PluginError
from benchsuite.execution.compatibility import infer_run_shapes
from benchsuite.execution.plan import DataShape, make_plan
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import Origin, Registry
from benchsuite.specs.loading.resolve import SelectedRun

from ..small_runs import MakeRun, MakeSpec

ORIGIN = Origin("hostile", "their-rules 2.0", "their_rules")
EXAMPLES = {"every_epochs": 1, "examples": 16}


def diagnostic(does: Callable[[], Any]) -> type[Diagnostic]:
    """Return a diagnostic that fails after its first measurement."""

    class Hostile(Diagnostic):
        name = "hostile"
        summary = "It fails."
        asked = 0

        def measure(self, rule: Rule, batch: Batch) -> Measurement:
            type(self).asked += 1
            if self.asked == 1:
                return {None: 1.0}
            measured: Measurement = does()
            return measured

    return Hostile


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (raising(ZeroDivisionError("of theirs")), "ZeroDivisionError: of theirs"),
        (raising(SystemExit(0)), "SystemExit: 0"),
        (lambda: "no numbers", "AttributeError"),
        (lambda: {None: "high"}, "ValueError: could not convert string to float: 'high'"),
    ],
)
def test_a_diagnostic_that_fails_ends_its_own_measurement_only(
    make_spec: MakeSpec, make_run: MakeRun, own_registry: Registry, caplog: Any, does: Callable[[], Any], says: str
) -> None:
    """Catches a run that ends as crashed, without a name, because of a measurement beside it."""
    hostile = diagnostic(does)
    own_registry.diagnostics["hostile"] = hostile
    own_registry.origins["diagnostic", "hostile"] = ORIGIN
    spec = make_spec(protocol={"epochs": 3}, diagnostics={"names": ["hostile", "credit_angle_deg"], **EXAMPLES})
    record = make_run(spec).execute()
    assert record.status == "completed"
    (note,) = (note for note in record.remarks if "hostile" in note)
    assert f"diagnostic 'hostile' of hostile (their-rules 2.0, their_rules) failed: {says}" in note
    assert caplog.text.count("diagnostic 'hostile'") == 1
    measured = [d.epoch for d in record.diagnostics if d.diagnostic == "hostile"]
    assert (measured, hostile.asked) == ([0], 2)  # type: ignore[attr-defined]
    assert {d.epoch for d in record.diagnostics if d.diagnostic == "credit_angle_deg"} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        (partial(torch.matmul, torch.zeros(2), torch.zeros(3)), "RuntimeError: "),
        (partial(Registry(pluggy.PluginManager("none")).rule, "theirs"), "no rule 'theirs'"),
    ],
    ids=["torch's error", "the suite's"],
)
def test_a_crash_in_a_rule_says_in_which_line_of_its_file(
    make_spec: MakeSpec, make_run: MakeRun, own_registry: Registry, fails: Callable[[], NoReturn], says: str
) -> None:
    """Catches a crash told by torch's words alone; the author then has to find the line without a traceback."""

    class Broken(own_registry.rule("feedback_alignment")):  # type: ignore[misc]
        def assign_credit(self, batch: Batch) -> StepResult:
            fails()  # in a function of another package

    own_registry.rules["feedback_alignment"] = Broken
    record = make_run(make_spec("feedback_alignment", diagnostics={"names": []})).execute()
    line = inspect.getsourcelines(Broken.assign_credit)[1] + 1
    assert record.reason.startswith(says)
    assert record.reason.endswith(f"(test_hostile_plugins.py:{line} in assign_credit)")


@pytest.mark.parametrize(
    ("error", "status"), [(DivergedError("not finite"), "diverged"), (MemoryError("full"), "out_of_memory")]
)
def test_what_ends_a_run_ends_it_in_a_diagnostic_too(
    make_spec: MakeSpec, make_run: MakeRun, own_registry: Registry, error: Exception, status: str
) -> None:
    """Catches a diverged run that goes on because a diagnostic was the first to see it."""
    own_registry.diagnostics["hostile"] = diagnostic(raising(error))
    spec = make_spec(protocol={"epochs": 1}, diagnostics={"names": ["hostile"], **EXAMPLES})
    assert make_run(spec).execute().status == status


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (raising(KeyError("units")), "failed: KeyError: 'units'"),
        (raising(SystemExit(0)), "failed: SystemExit: 0"),
        (lambda: CreditWork(per_example=-86.0), "returned per_example = -86.0, expected numbers from zero up"),
        (lambda: CreditWork(per_step=math.nan), "returned per_step = nan"),
        (lambda: 12, "returned int, expected CreditWork"),
    ],
)
def test_a_plan_says_unknown_where_a_rule_cannot_say_its_work(
    make_spec: MakeSpec, own_registry: Registry, tmp_path: Any, work: Callable[[], Any], says: str
) -> None:
    """Catches a plan of −86 PFLOP, and one rule's error that stops the plan of all others as a bug of benchsuite."""

    class Hostile(own_registry.rule("feedback_alignment")):  # type: ignore[misc]
        name = "hostile"

        @classmethod
        def credit_work(cls, config: RuleConfig, shapes: NetworkShapes) -> CreditWork:
            found: CreditWork = work()
            return found

    own_registry.rules["hostile"] = Hostile
    own_registry.origins["rule", "hostile"] = ORIGIN
    hostile = make_spec().model_copy(update={"rule": make_spec().rule.model_copy(update={"name": "hostile"})})
    runs = [SelectedRun(spec, "") for spec in (hostile, make_spec())]
    unknown, known = make_plan(runs, own_registry, tmp_path)
    assert unknown.estimate is None
    assert unknown.unknown.startswith(f"credit_work of hostile {says}")
    assert unknown.unknown.endswith("(provided by hostile (their-rules 2.0, their_rules))")
    assert known.estimate is not None


CHAIN = {"kind": "chain", "layers": [{"kind": "dense", "units": 5}]}


def shapes_found(registry: Registry, make_spec: MakeSpec, builder: Callable[..., Any]) -> NetworkShapes:
    registry.architectures["hostile"] = builder
    registry.origins["architecture", "hostile"] = ORIGIN
    spec = make_spec(architecture={"name": "theirs", "kind": "plugin", "builder": "hostile", "options": {"units": [5]}})
    (found,) = infer_run_shapes([SelectedRun(spec, "")], registry, lambda _: DataShape((1, 4, 4), 7, 96, 0))
    return found.shapes


def test_a_builder_may_return_plain_data(make_spec: MakeSpec, own_registry: Registry) -> None:
    """Catches ``AttributeError`` for what the hook's manual promises."""
    shapes = shapes_found(own_registry, make_spec, lambda options, shape, classes: CHAIN)
    assert [segment.units for segment in shapes.segments] == [5, 7]


@pytest.mark.parametrize(
    ("builder", "says"),
    [
        (raising(ZeroDivisionError("of theirs")), "failed: ZeroDivisionError: of theirs"),
        (raising(SystemExit(0)), "failed: SystemExit: 0"),
        (lambda *_: 12, "returned int, expected an architecture of a built-in kind"),
        (lambda *_: nn.Linear, "returned type, expected"),
        (lambda *_: {"kind": "chian"}, "returned a wrong architecture: it: Input tag 'chian'"),
        (lambda *_: {**CHAIN, "units": 5}, "returned a wrong architecture: chain.units: Extra inputs"),
        (lambda *_: {"kind": "plugin", "builder": "hostile"}, "returned PluginArchitecture, expected"),
    ],
)
def test_a_builder_that_fails_is_named_with_its_distribution(
    make_spec: MakeSpec, own_registry: Registry, builder: Callable[..., Any], says: str
) -> None:
    """Catches "a bug of benchsuite" where a plugin's builder is at fault."""
    with pytest.raises(PluginError) as caught:
        shapes_found(own_registry, make_spec, builder)
    assert f"architecture 'theirs': builder 'hostile' of a plugin {says}" in str(caught.value)
    assert "(provided by hostile (their-rules 2.0, their_rules))" in str(caught.value)


def test_a_builder_cannot_change_a_specs_options(make_spec: MakeSpec, own_registry: Registry) -> None:
    """Catches a second call that gets other options than the first, and a record that states other ones."""
    seen = []

    def builder(options: dict[str, Any], *_: object) -> Mapping[str, Any]:
        seen.append(list(options["units"]))
        options["units"].append(0)
        return CHAIN

    shapes_found(own_registry, make_spec, builder)
    assert seen
    assert all(units == [5] for units in seen)
