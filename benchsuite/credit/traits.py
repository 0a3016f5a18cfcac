"""Requirements and traits of a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchsuite.specs.models.hardware import Precision as HardwarePrecision

if TYPE_CHECKING:
    from benchsuite.networks.shapes.network_shapes import NetworkShapes, SegmentShapes


class RuleTraits(BaseModel):
    """Requirements of a rule on a network, and traits that it declares, which conformance kit and audit test."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mechanism: Literal["replaced_feedback", "direct_local_credit", "own_gradients"]
    """The way credit reaches a segment: autograd through other weights; given directly; or gradients that the rule
    forms itself, from local losses, energies or several passes."""
    source: str
    """Publication of the rule."""
    short_name: str = Field(default="", max_length=12)
    """Abbreviation for narrow tables and charts, such as ``DFA``; made from the rule's name if empty."""

    # --- needs ---
    forms: frozenset[str] = frozenset({"ordinary"})
    """Forms of network units that the rule works with."""
    topologies: frozenset[str] = frozenset({"chain"})
    """Network topologies that the rule works with."""
    map_kinds: frozenset[str] | None = None
    """Kinds of linear maps that the rule works with; None for any that keeps the contract of ``LinearMap``."""
    min_hidden_segments: int = 0
    """Minimum number of segments before the readout."""
    min_precision: HardwarePrecision = "bf16"
    """Coarsest number format of matrix products in which the rule works: ``bf16``, ``tf32`` or ``fp32``."""
    activations: frozenset[str] | None = None
    """Nonlinearities of hidden segments that the rule works with; None for any."""
    losses: frozenset[str] | None = None
    """Losses that the rule works with, by the names that protocols use; None for any."""
    norms: bool = True
    """False if the rule does not work in segments with a norm."""
    dropout: bool = True
    """False if the rule does not work in networks with dropout."""
    min_inputs_per_class: int = 0
    """Minimum number of inputs per class: a rule that writes the label into the input must leave some of it."""

    # --- declared traits ---
    trains_hidden: bool = True
    """True if segments before the readout learn."""
    hidden_update_is_backprop: bool = False
    """True if segments before the readout get exactly backprop's gradient."""
    readout_update_is_backprop: bool = True
    """True if the readout gets exactly backprop's gradient."""
    weight_transport: bool = False
    """True if credit depends on the forward weights downstream of a segment in any way except through the activities
    they cause, for example through their signs or copies of them."""
    separate_phase: bool = False
    """True if the rule needs a phase in addition to one forward pass and the credit that follows."""
    unit_specific_feedback: bool = True
    """True if the feedback differs between units of one segment; a unit's own gate or noise is not feedback."""
    learns_feedback: bool = False
    """True if the rule may list weights in ``learned_feedback``; the optimizer then keeps state for them too."""
    own_inference: bool = False
    """True if ``predict`` is not one forward pass of the network: a relaxation, or a pass per label."""
    has_credit: bool = True
    """True if segments get credit in the loss's own terms, so that an angle with backprop's credit means something.
    False for a rule without an error signal, or with losses of its own; its updates are compared all the same."""
    own_parameters: bool = False
    """True if the rule may have parameters of its own that learn (``trained_parameters``)."""
    changes_forward_weights: bool = False
    """True if the rule may change forward weights itself, in ``attach`` (a mask) or ``after_update`` (a decay)."""


def incompatibilities(traits: RuleTraits, shapes: NetworkShapes, loss: str | None = None) -> list[str]:
    """Return the reasons why a rule cannot work in a network, one sentence per reason; empty if it can.

    Args:
        traits: of the rule.
        shapes: of the network.
        loss: name of the protocol's loss; None if it is not known yet.

    """
    reasons = []
    if shapes.form not in traits.forms:
        reasons.append(f"needs a network of form {_either(traits.forms)}, this one is {shapes.form}")
    if shapes.topology not in traits.topologies:
        this = _TOPOLOGIES.get(shapes.topology, f"a {shapes.topology}")
        reasons.append(f"needs a {_either(traits.topologies)}, this network is {this}")
    hidden = len(shapes.segments) - 1
    if hidden < traits.min_hidden_segments:
        reasons.append(f"needs at least {traits.min_hidden_segments} hidden segments, this network has {hidden}")
    if loss is not None and traits.losses is not None and loss not in traits.losses:
        reasons.append(f"works with the loss {_either(traits.losses)}, this protocol's is {loss}")
    return [*reasons, *_of_segments(traits, shapes), *_of_layers(traits, shapes)]


def _of_segments(traits: RuleTraits, shapes: NetworkShapes) -> list[str]:
    """Return what a rule lacks for a network's segments: maps, nonlinearities, norms."""
    reasons = []
    if traits.map_kinds is not None and (strange := [s for s in shapes.segments if s.map_kind not in traits.map_kinds]):
        kinds = ", ".join(sorted({s.map_kind for s in strange}))
        reasons.append(f"has no form for {kinds} maps ({_names(strange)}); it knows {_either(traits.map_kinds)}")
    if traits.activations is not None:
        known = traits.activations
        if strange := [s for s in shapes.segments[:-1] if _activation(s) not in known]:
            kinds = ", ".join(sorted({_activation(s) for s in strange}))
            reasons.append(f"has no form for {kinds} ({_names(strange)}); it knows {_either(known)}")
    if not traits.norms and (normed := [s for s in shapes.segments if s.norm != "none"]):
        reasons.append(f"needs segments without a norm; {_names(normed)} have one")
    return reasons


def _of_layers(traits: RuleTraits, shapes: NetworkShapes) -> list[str]:
    """Return what a rule lacks for a network's input and the layers between its segments."""
    reasons = []
    layers = {node.layer.kind for node in shapes.nodes if hasattr(node, "layer")}
    if not traits.dropout and "dropout" in layers:
        reasons.append("needs a network without dropout")
    inputs, needed = math.prod(shapes.input_shape), traits.min_inputs_per_class * shapes.classes
    if inputs < needed:
        reasons.append(f"needs at least {needed} inputs for {shapes.classes} classes, this network has {inputs}")
    return reasons


_TOPOLOGIES = {"adopted": "an adopted module, in which autograd alone knows what lies between its maps"}
"""Descriptions, in refusals, of topologies whose names do not explain themselves."""


def _either(names: frozenset[str]) -> str:
    return " or ".join(sorted(names))


def _activation(segment: SegmentShapes) -> str:
    return segment.activation if isinstance(segment.activation, str) else segment.activation.kind


def _names(segments: Sequence[SegmentShapes]) -> str:
    return ", ".join(segment.name for segment in segments)
