"""Oracle: an XML parser, and the order of the record's own numbers."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from benchsuite.records.mlflow.figures import curves_svg
from tests.factories import make_angles, make_record

SVG = "{http://www.w3.org/2000/svg}"


def panels_of(text: str) -> dict[str, list[list[tuple[float, float]]]]:
    """Return the lines of each panel by its title, as points in pixels."""
    found = {}
    for group in ET.fromstring(text).iter(f"{SVG}g"):  # noqa: S314 - our own drawing
        lines = [line.attrib["points"].split() for line in group.iter(f"{SVG}polyline")]
        points = [[tuple(map(float, point.split(","))) for point in line] for line in lines]
        found[group.findtext(f"{SVG}text", "")] = points
    return found


def test_lines_have_the_shape_of_the_records_numbers() -> None:
    """Catches an axis upside down, a point per epoch too few, and diagnostics that are left out."""
    found = panels_of(curves_svg(make_record(curve=[0.4, 0.1, 0.2], diagnostics=make_angles(0, 3))))
    first, second, third = found["Error (%), logarithmic"][0]
    assert first[0] < second[0] < third[0]
    assert first[1] < third[1] < second[1], "a lower error is further down"
    assert math.isclose(third[1] - first[1], second[1] - third[1], abs_tol=0.2), "0.4, 0.2 and 0.1 are evenly apart"
    assert {"Loss", "Credit angle (°)"} <= found.keys()


def test_what_a_record_says_is_text_and_what_is_not_finite_is_left_out() -> None:
    """Catches a drawing that no browser shows: a name that is markup, and an axis that ends nowhere."""
    angles = [value.model_copy(update={"segment": '</g><script x="', "value": math.inf}) for value in make_angles(0, 3)]
    assert "Credit angle (°)" not in panels_of(curves_svg(make_record(status="diverged", diagnostics=angles)))
    angles = [value.model_copy(update={"segment": "</g><script>"}) for value in make_angles(0, 3)]
    text = curves_svg(make_record(curve=[0.0, 0.0, 0.0], diagnostics=angles))
    assert len(panels_of(text)["Error (%)"]) == 3
    assert "<script" not in text


def test_an_angle_of_zero_is_drawn_as_zero() -> None:
    """Catches rounding errors of backprop's angle to itself that fill the plot like a result."""
    tiny = [value.model_copy(update={"value": 1e-7 * number}) for number, value in enumerate(make_angles(0, 3))]
    lines = panels_of(curves_svg(make_record(diagnostics=tiny)))["Credit angle (°)"]
    heights = [y for line in lines for _, y in line]
    assert max(heights) - min(heights) < 1


def test_a_run_that_measured_nothing_has_no_drawing() -> None:
    """Catches an empty picture beside every run that was refused."""
    assert curves_svg(make_record(status="incompatible", reason="not invertible", curve=[], fingerprint=None)) == ""
