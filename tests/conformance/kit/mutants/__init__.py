"""Broken rules, by what they break; importing this package enters all of them."""

from tests.conformance.kit.mutants import claims, gradients, host_and_state, own_parts, surroundings, work  # noqa: F401
