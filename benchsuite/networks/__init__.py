"""Networks as rules see them: segments, each with one linear map, and parameter-free layers between segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchsuite.networks.adoption import AdoptedNetwork, adopt

__all__ = ["AdoptedNetwork", "adopt"]


def __getattr__(name: str) -> Any:
    # Imported on first use: shapes can be worked out without torch.
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from benchsuite.networks import adoption

    return getattr(adoption, name)
