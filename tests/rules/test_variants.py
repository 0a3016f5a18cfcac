"""Configurations far from the defaults keep the contract too. The oracle is the conformance kit."""

from __future__ import annotations

from .suites import VARIANTS

globals().update({suite.__name__: suite for suite in VARIANTS})
