"""Oracle: WCAG's contrast of graphical objects, and what a reader of a grey print can tell apart."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from benchsuite.results.rule_style import MARKERS, PALETTE, STYLES, rule_color, rule_style, short_name

RULES = Path(__file__).resolve().parents[2] / "plugins" / "benchsuite_rules"


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_built_in_rule_has_a_look_of_its_own() -> None:
    """Catches a new rule whose look a hash chose, on a line that another rule already draws like that."""
    built_in = {path.stem for path in RULES.glob("*.py") if path.stem != "__init__"}
    assert set(STYLES) == built_in
    for one, other in combinations(STYLES.values(), 2):
        assert one.short_name != other.short_name
        if one.color == other.color:
            assert one.dash != other.dash, (one, other)
            assert one.marker != other.marker, (one, other)


@pytest.mark.parametrize("page", ["#ffffff", "#14181c"])
def test_colours_stand_out_from_the_page_in_either_theme(page: str) -> None:
    """Catches a line that only one theme shows."""
    assert {color for color in (*PALETTE, rule_color("backprop")) if contrast(color, page) < 3} == set()


def test_an_unlisted_rule_looks_the_same_in_every_build() -> None:
    """Catches a look from Python's own hash, or from the place among other rules: it would change between builds."""
    style = rule_style("third_party_rule")
    assert style == rule_style("third_party_rule")
    assert (style.short_name, style.color, style.marker) == ("TPR", "#2a9d76", "square")
    assert style.marker in MARKERS
    assert short_name("signfa") == "signfa"
