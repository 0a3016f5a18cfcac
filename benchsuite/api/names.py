"""Names that the library and the command both accept. Imports nothing heavy, since ``--help`` shows them."""

from __future__ import annotations

from typing import Literal

Section = Literal[
    "rules",
    "tracks",
    "suites",
    "studies",
    "datasets",
    "architectures",
    "hardware",
    "reference",
    "claims",
    "diagnostics",
    "plugins",
]
"""A kind of thing that can be listed."""

SchemaName = Literal[
    "dataset",
    "architecture",
    "protocol",
    "hardware",
    "track",
    "suite",
    "study",
    "reference",
    "claim",
    "run",
    "record",
    "study_record",
    "tuning_record",
    "rule_audit",
    "timing",
    "selftest",
]
"""A JSON Schema by name."""
