"""Words on the built-in rules for pages: names as the field writes them, and one equation each.

No number depends on them. A rule that is not listed gets its name from its identifier, and its equation from a line
``Equation: …`` in its docstring.
"""

from __future__ import annotations

from collections.abc import Mapping

TITLES: Mapping[str, str] = {
    "direct_kolen_pollack": "direct Kolen-Pollack",
    "forward_forward": "Forward-Forward",
    "gait_prop": "GAIT-prop",
    "gevb": "global error-vector broadcasting",
    "kolen_pollack": "Kolen-Pollack",
    "mono_forward": "Mono-Forward",
    "normalized_gait_prop": "normalized GAIT-prop",
    "pepita": "PEPITA",
    "soft_hebb": "SoftHebb",
}
"""Names that are not the identifier with spaces, in the middle of a sentence."""

EQUATIONS: Mapping[str, str] = {
    "backprop": "δₗ = Wₗ₊₁ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁)",
    "feedback_alignment": "δₗ = Bₗ₊₁ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁), B random and fixed",
    "sign_symmetry": "δₗ = (|Bₗ₊₁| ⊙ sign Wₗ₊₁)ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁)",
    "kolen_pollack": "δₗ = Bₗ₊₁ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁), ΔB = ΔW, and both decay by λ",
    "weight_mirror": "δₗ = Bₗ₊₁ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁), ΔB = η φ(W y + b) yᵀ for noise y",
    "updated_random_feedback": "δₗ = Rₗ₊₁ᵀ (φ′ₗ₊₁ ⊙ δₗ₊₁), ΔR = ε ΔW",
    "leaky_direct_feedback_alignment": "every map passes Bₗ e to its input in place of Wᵀδ",
    "direct_feedback_alignment": "δₗ = Bₗ e, B random and fixed",
    "direct_kolen_pollack": "δₗ = Bₗ e, ΔBₗ ∝ −hₗ eᵀ, and B decays by λ",
    "direct_random_target_projection": "δₗ = Bₗ y for the label y, B random and fixed",
    "gevb": "δₗ = e at every vector unit, ΔW ∝ −φ′ (e · x)",
    "node_perturbation": "δₗ = (L(h + σξ) − L(h)) ξₗ ∕ σ for noise ξ",
    "forward_gradient": "g = (∇L · v) v for a random direction v",
    "local_forward_gradient": "g = (∇Lₗ · v) v in each group of units, Lₗ the loss of M h",
    "target_propagation": "tₗ = fₗ₊₁⁻¹(tₗ₊₁), δₗ = hₗ − tₗ",
    "difference_target_propagation": "tₗ = hₗ + g(tₗ₊₁) − g(hₗ₊₁) for a decoder g, δₗ = hₗ − tₗ",
    "gait_prop": "tₗ = fₗ₊₁⁻¹(hₗ₊₁ − γ φ′² ⊙ (hₗ₊₁ − tₗ₊₁)), δₗ ∝ hₗ − tₗ",
    "normalized_gait_prop": "GAIT-prop with γ = η ∕ ‖hₗ − tₗ‖ in each layer",
    "predictive_coding": "states s descend ½ Σ ‖f(sₗ₋₁) − sₗ‖², then δₗ = f(sₗ₋₁) − sₗ",
    "equilibrium_propagation": "ΔW ∝ −(∂E∕∂W at the nudged − ∂E∕∂W at the free equilibrium) ∕ β",
    "forward_forward": "descend softplus(θ − g) for true labels and softplus(g − θ) for wrong ones, g = mean h²",
    "pepita": "ΔWₗ ∝ −(hₗ − h̃ₗ) h̃ₗ₋₁ᵀ, where h̃ answers the input x + F e",
    "local_losses": "each segment descends (1 − β) L_pred + β L_sim of its own output",
    "mono_forward": "each segment descends the loss of M h, one number per class",
    "soft_hebb": "Δw ∝ y (x − u w), where y = softmax(u ∕ τ)",
    "readout_only": "δₗ = 0 in hidden segments, δ = e at the readout",
}

PATHS: Mapping[str, str] = {"leaky_direct_feedback_alignment": "direct", "direct_random_target_projection": "label"}
"""Drawings of rules whose paths do not follow from their traits."""
