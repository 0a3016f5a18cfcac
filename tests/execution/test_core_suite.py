"""Oracle: the promises of the suite core: every rule that fits, equal connections in all forms, one protocol."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchsuite.execution.plan import make_plan
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.base import TIERS
from benchsuite.specs.models.track import RunSpec, SuiteSpec

LIBRARY = SpecLibrary([builtin_folder()])
SUITE = SuiteSpec.model_validate({**LIBRARY.load("suites", "core").plain(), "name": "core"})
CONTROLS = tuple(cells for cells in SUITE.cells if not any(isinstance(row, str) for row in cells.rules))
CELLS = tuple(cells for cells in SUITE.cells if cells not in CONTROLS)
TRACKS = tuple(track for cells in CELLS for track in cells.tracks)
NETWORKS = {"core-mnist-dense": 1, "core-mnist-deep": 1, "core-mnist-conv": 1, "core-cifar-conv": 3}
FORMS = ("", "-vectorized", "-invertible")


def shapes(architecture: str) -> NetworkShapes:
    spec = ChainArchitecture.model_validate(
        {**LIBRARY.load("architectures", architecture).plain(), "name": architecture}
    )
    channels = next(number for name, number in NETWORKS.items() if architecture.startswith(name))
    side = 28 if channels == 1 else 32
    return shapes_of(spec, (channels, side, side), 10)


def connections(network: NetworkShapes) -> list[int]:
    """Return the number of inputs that a unit of each segment reads."""
    options = [segment.map_options for segment in network.segments]
    return [o["inputs"] if "inputs" in o else o["input_channels"] * o["kernel"] ** 2 for o in options]


def specs_of(registry: Registry, track: str, tier: str) -> list[RunSpec]:
    return [run.spec for run in resolve(Selection(track, tier=tier, seeds=(0,)), LIBRARY, registry)]  # type: ignore[arg-type]


def test_every_core_track_is_in_the_suite_once() -> None:
    """Catches a track that is written and never run."""
    assert sorted(TRACKS) == sorted(name for name in LIBRARY.names("tracks") if name.startswith("core-"))


@pytest.mark.parametrize("cells", CELLS, ids=lambda cells: cells.tracks[0])
def test_a_core_track_has_every_rule_that_can_run_there(registry: Registry, tmp_path: Path, cells) -> None:
    """Catches a new rule that the standard suite leaves out, and one listed that its networks refuse."""
    for track in cells.tracks:
        runs = resolve(Selection(track, tier="smoke", seeds=(0,)), LIBRARY, registry)
        planned = make_plan(runs, registry, tmp_path)
        fitting = {p.selected.spec.rule.name for p in planned if not p.refused}
        assert set(cells.rules) == fitting, f"specs/suites/core.yaml, cells of {track}: give it these rules"
        assert {"backprop", "readout_only"} <= set(cells.rules)


def test_every_rule_of_the_deep_task_has_a_control_with_a_frozen_lower_half() -> None:
    """Catches a new rule whose gain from the lower half nothing can tell, and a control that differs in more."""
    rules = {track: cells.rules for cells in CELLS for track in cells.tracks}
    for cells in CONTROLS:
        (track,) = cells.tracks
        assert "smoke" not in cells.tiers
        assert sorted(row.rule for row in cells.rules) == sorted(set(rules[track]) - {"readout_only"})
        assert all(row.protocol == {"frozen": "lower_half"} and not row.config for row in cells.rules)
    assert {track for cells in CONTROLS for track in cells.tracks} == {t for t in TRACKS if "deep" in t}


@pytest.mark.parametrize("network", NETWORKS)
def test_forms_have_equal_connections_and_say_what_they_cost(network: str) -> None:
    """Catches a form that another width or kernel favours, and a description whose count is out of date."""
    ordinary = shapes(network)
    read = list(ordinary.units_read.values())[:-1]
    for form in FORMS:
        own = shapes(network + form)
        assert connections(own) == connections(ordinary)
        assert list(own.units_read.values())[:-1] == read
        description = str(LIBRARY.load("architectures", network + form).plain()["description"])
        stated = re.search(r"Multiply-adds per example(?: with 10 classes)?: ([\d,]+)\.", description)
        assert stated is not None
        assert int(stated[1].replace(",", "")) == sum(segment.macs for segment in own.segments)
        listed = re.search(r"Connections per unit: (.+?)\. ", description)
        assert listed is not None
        numbers = [int(text) for text in re.findall(r"\d+", listed[1])]
        assert list(dict.fromkeys(connections(own))) == list(dict.fromkeys(numbers))


def test_credit_travels_through_at_least_eight_hidden_segments_in_the_deep_task() -> None:
    assert all(len(shapes("core-mnist-deep" + form).segments) - 1 >= 8 for form in FORMS)


@pytest.mark.parametrize("track", TRACKS)
def test_rules_of_a_core_track_share_one_protocol_and_one_budget(registry: Registry, track: str) -> None:
    """Catches settings that favour one rule, and a form that is trained longer than its task's ordinary one.

    At a laptop's tier the costly forms of the dense task and of CIFAR have fewer epochs (decision 34).
    """
    ordinary = re.sub("-(vectorized|invertible)$", "", track)
    for tier in TIERS:
        protocols = [spec.protocol for spec in specs_of(registry, track, tier)]
        assert all(protocol == protocols[0] for protocol in protocols)
        same = specs_of(registry, ordinary, tier)[0].protocol
        form_only: dict[str, object] = {"orthogonality": None}
        shorter = re.search("mnist-dense|cifar", ordinary) if tier == "quick" and track != ordinary else None
        if shorter:
            assert (protocols[0].epochs, same.epochs) == {"mnist-dense": (8, 24), "cifar": (3, 8)}[shorter[0]]
            form_only["epochs"] = same.epochs
        assert protocols[0].model_copy(update=form_only) == same


@pytest.mark.parametrize("track", [name for name in TRACKS if "imagenet" not in name])
def test_a_core_track_holds_out_validation_examples_in_tuning_only(registry: Registry, track: str) -> None:
    """Catches a track that cannot be tuned, and final runs that learn less than everything."""
    validation = LIBRARY.load("tracks", track).plain()["dataset"]["validation"]
    assert validation == {"examples": 5000, "seed": 0}
    assert all(spec.holds_out == 0 for spec in specs_of(registry, track, "quick"))
    tuning = LIBRARY.load("tracks", track).plain()["tuning"]
    assert tuning["trials"] == 16


def test_a_laptops_tier_of_core_has_no_network_for_a_gpu(registry: Registry) -> None:
    runs = resolve(Selection("core", tier="quick", seeds=(0,), rules=("backprop",)), LIBRARY, registry)
    assert {run.spec.track for run in runs} == {
        t for t in TRACKS if "mnist" in t or re.search(r"cifar10-(jpeg75-)?conv", t)
    }
