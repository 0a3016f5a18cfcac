"""Networks as rules see them: linear maps inside segments, and what lies between the segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchsuite.networks.adoption import AdoptedNetwork, adopt

__all__ = ["AdoptedNetwork", "adopt"]


def __getattr__(name: str) -> Any:
    # Not before it is asked for: a network on paper needs no torch.
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from benchsuite.networks import adoption

    return getattr(adoption, name)
