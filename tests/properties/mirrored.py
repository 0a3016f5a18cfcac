"""Weight mirrors in a network, and how near their feedback weights are to the weights."""

from __future__ import annotations

import math

from benchsuite_rules.weight_mirror import WeightMirror

from .chains import attached

Config = WeightMirror.Config


def mirroring(case, **config):
    """Return a rule in the case's network whose feedback weights start from zero."""
    rule = attached(WeightMirror(Config(**config)), case.network())
    for feedback_weight in rule.feedback.by_segment.values():
        feedback_weight.zero_()
    return rule


def feedback(rule):
    return rule.feedback.by_segment


def weight(rule, name):
    return rule.network.maps[name].weight.detach()


def angle_deg(rule, name):
    w, b = weight(rule, name).flatten(), feedback(rule)[name].flatten()
    return math.degrees(math.acos(min(1.0, float(w @ b / (w.norm() * b.norm())))))


def coefficient(rule, name):
    """Return how much of W is in B: the regression of B on W."""
    w, b = weight(rule, name).flatten(), feedback(rule)[name].flatten()
    return float(w @ b / (w @ w))
