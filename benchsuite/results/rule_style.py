"""Looks of a rule in every chart, on the site and in MLflow: one colour, dash and marker, and a short name.

No number depends on it, so this is the one place besides the baseline's that may name rules. A rule that is not listed
gets a look from its name alone: the same in every build, whatever other rules there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

BLUE, ORANGE, GREEN, PINK, VIOLET = "#3f7fd0", "#cf7416", "#2a9d76", "#c7527d", "#8b6fd6"
BROWN, CYAN, OLIVE, RED, GREY = "#a5794f", "#2d9fb3", "#8f8812", "#d05a4e", "#757575"
PALETTE = (BLUE, ORANGE, GREEN, PINK, VIOLET, BROWN, CYAN, OLIVE, RED)
"""Mid tones with a contrast of at least 3:1 on white and on near-black; grey is for the two reference rules."""

SOLID, DASHED, DOTTED, DASH_DOT, LONG = (1, 0), (7, 3), (2, 2), (8, 2, 2, 2), (12, 4)
DASHES = (SOLID, DASHED, DOTTED, DASH_DOT, LONG)

MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "triangle-right")
"""Shapes by Vega's names; the cross is for failed runs."""

LONGEST_SHORT_NAME = 12


@dataclass(frozen=True)
class RuleStyle:
    """The look of one rule."""

    short_name: str
    color: str
    dash: tuple[int, ...]
    """Lengths of strokes and gaps in pixels, as in SVG."""
    marker: str
    """A name out of ``MARKERS``."""


# Rules that share a colour differ in dash and marker, so that charts can be read in grey too; rules that papers compare
# with each other differ in colour.
STYLES: Mapping[str, RuleStyle] = {
    "backprop": RuleStyle("BP", GREY, SOLID, "circle"),
    "readout_only": RuleStyle("Readout", GREY, DOTTED, "square"),
    "feedback_alignment": RuleStyle("FA", BLUE, DASHED, "square"),
    "difference_target_propagation": RuleStyle("DTP", BLUE, DOTTED, "diamond"),
    "predictive_coding": RuleStyle("PC", BLUE, DASH_DOT, "triangle-up"),
    "direct_feedback_alignment": RuleStyle("DFA", ORANGE, DOTTED, "diamond"),
    "forward_gradient": RuleStyle("FG", ORANGE, SOLID, "triangle-down"),
    "forward_forward": RuleStyle("FF", ORANGE, DASHED, "square"),
    "gait_prop": RuleStyle("GAIT", GREEN, SOLID, "diamond"),
    "leaky_direct_feedback_alignment": RuleStyle("LDFA", GREEN, DASHED, "triangle-up"),
    "equilibrium_propagation": RuleStyle("EP", GREEN, DOTTED, "square"),
    "gevb": RuleStyle("GEVB", PINK, SOLID, "triangle-up"),
    "direct_random_target_projection": RuleStyle("DRTP", PINK, DOTTED, "triangle-down"),
    "kolen_pollack": RuleStyle("KP", VIOLET, DASH_DOT, "triangle-down"),
    "direct_kolen_pollack": RuleStyle("DKP", VIOLET, DASHED, "diamond"),
    "weight_mirror": RuleStyle("WM", BROWN, LONG, "triangle-right"),
    "node_perturbation": RuleStyle("NP", BROWN, DOTTED, "circle"),
    "soft_hebb": RuleStyle("SoftHebb", BROWN, SOLID, "square"),
    "updated_random_feedback": RuleStyle("URFB", CYAN, DASHED, "circle"),
    "pepita": RuleStyle("PEPITA", CYAN, SOLID, "triangle-up"),
    "local_losses": RuleStyle("Local", CYAN, DASH_DOT, "square"),
    "local_forward_gradient": RuleStyle("local FG", OLIVE, SOLID, "circle"),
    "normalized_gait_prop": RuleStyle("nGAIT", OLIVE, DASHED, "triangle-up"),
    "mono_forward": RuleStyle("MF", OLIVE, DOTTED, "triangle-right"),
    "sign_symmetry": RuleStyle("SS", RED, DASH_DOT, "square"),
    "target_propagation": RuleStyle("TP", RED, SOLID, "triangle-down"),
}


@lru_cache(maxsize=1024)
def rule_style(rule: str) -> RuleStyle:
    """Return the look of a rule; of an unlisted one, from a hash of its name."""
    if listed := STYLES.get(rule):
        return listed
    number = int.from_bytes(hashlib.sha256(rule.encode()).digest()[:8])
    number, color = divmod(number, len(PALETTE))
    number, dash = divmod(number, len(DASHES))
    return RuleStyle(_short_name(rule), PALETTE[color], DASHES[dash], MARKERS[number % len(MARKERS)])


def rule_color(rule: str) -> str:
    """Return the colour of a rule as ``#rrggbb``."""
    return rule_style(rule).color


def short_name(rule: str) -> str:
    """Return the abbreviation that the field uses, such as ``DFA``; for an unlisted rule, see ``_short_name``."""
    return rule_style(rule).short_name


def _short_name(rule: str) -> str:
    """Return the name in words, or, for long names of three words or more, their first letters."""
    words = rule.replace("-", "_").split("_")
    if len(rule) <= LONGEST_SHORT_NAME or len(words) < 3:
        return rule.replace("_", " ")
    return "".join(word[:1] for word in words).upper()
