"""Versions of the distribution, of the plugin contract and of the record schemas."""

__version__ = "0.1.0"

CONTRACT_VERSION = 2
"""The contract between the suite and a plugin (``benchsuite.credit.rule``, ``benchsuite.registry.hookspecs``).

A plugin states the version it was written for with a module-level ``BENCHSUITE_CONTRACT``.
"""

RECORD_SCHEMA_VERSION = 1
"""The layout of a ``RunRecord`` on disk."""

STUDY_SCHEMA_VERSION = 2
"""The layout of a ``StudyRecord`` on disk."""

AUDIT_SCHEMA_VERSION = 3
"""The layout of a ``RuleAudit`` on disk."""

TIMING_SCHEMA_VERSION = 1
"""The layout of a ``TimingRecord`` on disk."""

TUNING_SCHEMA_VERSION = 1
"""The layout of a ``TuningRecord`` on disk."""

SELFTEST_SCHEMA_VERSION = 1
"""The layout of a ``SelftestRecord`` on disk."""
