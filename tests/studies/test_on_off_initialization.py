"""Oracle: the GEVB paper's eq. 15 and section 5, and the angles that its authors' networks start with."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchsuite.registry.manager import Registry
from benchsuite.studies.on_off_initialization.measure import angles, predicted_angles, spectrum
from benchsuite.studies.on_off_initialization.result import OnOffInitializationResult
from benchsuite.studies.on_off_initialization.spec import OnOffInitializationSpec
from benchsuite.studies.on_off_initialization.study import OnOffInitializationStudy


def spec(**fields: Any) -> OnOffInitializationSpec:
    given = {"name": "a", "kind": "on_off_initialization", "quantity": "angles", "widths": [32, 64], "seeds": [0, 1]}
    return OnOffInitializationSpec.model_validate(given | {"inputs": 20, "examples": 8} | fields)


def test_eq_15_gives_the_papers_angles() -> None:
    """The last two hidden layers of CIFAR-10's dense network have 512 units, and start at 9.0 and 55.6 degrees."""
    assert predicted_angles(512, 3) == pytest.approx([5.29, 9.21, 55.65], abs=0.01)


def test_layers_whose_units_are_no_pairs_with_the_input_follow_eq_15() -> None:
    """Catches angles of another layer, or of updates: only the first layer is smaller, since pairs share its gates."""
    found = angles(spec(examples=16), 256, 0)
    assert found["layer 3, measured"] == pytest.approx(found["layer 3, eq. 15"], abs=3)
    assert found["layer 2, measured"] == pytest.approx(found["layer 2, eq. 15"], abs=1.5)
    assert found["layer 1, measured"] < found["layer 1, eq. 15"]


def test_the_spectrum_is_that_of_its_parts_and_activations_avoid_the_outlier() -> None:
    """Catches a matrix without pairs: its pre-activations would lie along the vector of the largest eigenvalue."""
    found = spectrum(spec(), 64, 0)
    assert found["largest eigenvalue of W"] == pytest.approx(math.sqrt(2 * 64 / math.pi), rel=0.1)
    assert found["largest eigenvalue of W"] > 3 * found["second largest eigenvalue of W"]
    assert found["distance of W's eigenvalues from those of V and abs(V)"] < 1e-6
    assert found["overlap of pre-activations with the largest one's vector"] < 1e-9


def test_a_study_has_a_row_per_quantity_and_a_column_per_width(registry: Registry) -> None:
    study = OnOffInitializationStudy(spec(hidden_layers=2))
    steps: list[object] = []
    result = study.run({}, steps.append)
    assert len(steps) == study.steps == 4
    assert study.problems(result) == []
    summary = study.summarize(result)
    assert [row.label for row in summary.rows] == [
        f"layer {layer}, {what}" for layer in (1, 2) for what in ("measured", "eq. 15")
    ]
    assert [column.title for column in summary.columns] == ["n = 32", "n = 64"]
    assert set(summary.figures[0].charts[0].curves) == {row.label for row in summary.rows}
    assert registry.study("on_off_initialization") is OnOffInitializationStudy


def test_a_network_that_is_missing_is_told() -> None:
    """Catches a mean over fewer seeds than the spec has."""
    study = OnOffInitializationStudy(spec(hidden_layers=1))
    whole = study.run({}, lambda _: None)
    part = OnOffInitializationResult(rows=whole.rows, networks=whole.networks[:-1])
    assert study.problems(part) == ["not one network per width and seed of the spec"]


@pytest.mark.parametrize(
    ("widths", "message"),
    [([3], "ON and OFF units come in pairs"), ([4, 4], "each of them once"), ([4, 2], "smallest")],
)
def test_widths_are_pairs_in_order(widths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec(widths=widths)
