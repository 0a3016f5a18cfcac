"""A benchmark suite for credit-assignment learning rules, and its library.

Everything that the command ``benchsuite`` does is a function here::

    import benchsuite as bs

    plan = bs.plan("mnist-fc", rules=["backprop", "feedback_alignment"], seeds=3, tier="quick")
    results = bs.run("mnist-fc", rules=["backprop", "feedback_alignment"], seeds=3)
    print(results.table())
    bs.compare(results.records, "feedback_alignment", "backprop")

Importing this package imports nothing heavy: torch, MLflow and pydantic are loaded by the first function that needs
them. Authors of rules, data sets, architectures and diagnostics import ``benchsuite.plugin``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchsuite.version import __version__

if TYPE_CHECKING:
    from benchsuite.api.audits import audit, audit_rules
    from benchsuite.api.claims import ClaimVerdicts, claims
    from benchsuite.api.comparisons import ComparedRows, NotCompared, RuleComparison, compare
    from benchsuite.api.datasets import (
        DatasetReport,
        DatasetState,
        DatasetStates,
        FetchedDataset,
        dataset_states,
        fetch_dataset,
        verify_dataset,
    )
    from benchsuite.api.describing import info
    from benchsuite.api.doctor import Installation, doctor
    from benchsuite.api.figures import write_figures
    from benchsuite.api.linting import lint
    from benchsuite.api.listing import (
        Entry,
        Listing,
        Overview,
        list_all,
        list_architectures,
        list_claims,
        list_datasets,
        list_diagnostics,
        list_hardware,
        list_plugins,
        list_references,
        list_rules,
        list_studies,
        list_suites,
        list_tracks,
    )
    from benchsuite.api.mirror import serve_mlflow, sync
    from benchsuite.api.plans import Plan, RefusedPair, plan
    from benchsuite.api.preparations import prepare_dataset
    from benchsuite.api.progress import Progress
    from benchsuite.api.projects import new, new_rule
    from benchsuite.api.records import Records, load_records
    from benchsuite.api.results import Results
    from benchsuite.api.runs import run
    from benchsuite.api.schemas import schemas, write_schemas
    from benchsuite.api.selftests import Selftest, selftest
    from benchsuite.api.sites import build_site, serve_site
    from benchsuite.api.timings import TrackTiming, time_track
    from benchsuite.api.transfers import export, import_records
    from benchsuite.api.tuning import Tunings, tune
    from benchsuite.api.validation import validate
    from benchsuite.api.verification import Verification, verify
    from benchsuite.errors import (
        BenchsuiteError,
        DataError,
        EmptySelectionError,
        HardwareError,
        IncompatibleError,
        PluginError,
        Problem,
        SpecError,
        StoreError,
    )

__all__ = [
    "BenchsuiteError",
    "ClaimVerdicts",
    "ComparedRows",
    "DataError",
    "DatasetReport",
    "DatasetState",
    "DatasetStates",
    "EmptySelectionError",
    "Entry",
    "FetchedDataset",
    "HardwareError",
    "IncompatibleError",
    "Installation",
    "Listing",
    "NotCompared",
    "Overview",
    "Plan",
    "PluginError",
    "Problem",
    "Progress",
    "Records",
    "RefusedPair",
    "Results",
    "RuleComparison",
    "Selftest",
    "SpecError",
    "StoreError",
    "TrackTiming",
    "Tunings",
    "Verification",
    "__version__",
    "audit",
    "audit_rules",
    "build_site",
    "claims",
    "compare",
    "dataset_states",
    "doctor",
    "export",
    "fetch_dataset",
    "import_records",
    "info",
    "lint",
    "list_all",
    "list_architectures",
    "list_claims",
    "list_datasets",
    "list_diagnostics",
    "list_hardware",
    "list_plugins",
    "list_references",
    "list_rules",
    "list_studies",
    "list_suites",
    "list_tracks",
    "load_records",
    "new",
    "new_rule",
    "plan",
    "prepare_dataset",
    "run",
    "schemas",
    "selftest",
    "serve_mlflow",
    "serve_site",
    "sync",
    "time_track",
    "tune",
    "validate",
    "verify",
    "verify_dataset",
    "write_figures",
    "write_schemas",
]

_MODULES = {
    "api.audits": ("audit", "audit_rules"),
    "api.claims": ("ClaimVerdicts", "claims"),
    "api.comparisons": ("ComparedRows", "NotCompared", "RuleComparison", "compare"),
    "api.datasets": (
        "DatasetReport",
        "DatasetState",
        "DatasetStates",
        "FetchedDataset",
        "dataset_states",
        "fetch_dataset",
        "verify_dataset",
    ),
    "api.describing": ("info",),
    "api.doctor": ("Installation", "doctor"),
    "api.figures": ("write_figures",),
    "api.linting": ("lint",),
    "api.listing": (
        "Entry",
        "Listing",
        "Overview",
        "list_all",
        "list_architectures",
        "list_claims",
        "list_datasets",
        "list_diagnostics",
        "list_studies",
        "list_hardware",
        "list_plugins",
        "list_references",
        "list_rules",
        "list_suites",
        "list_tracks",
    ),
    "api.mirror": ("serve_mlflow", "sync"),
    "api.plans": ("Plan", "RefusedPair", "plan"),
    "api.preparations": ("prepare_dataset",),
    "api.progress": ("Progress",),
    "api.projects": ("new", "new_rule"),
    "api.records": ("Records", "load_records"),
    "api.results": ("Results",),
    "api.runs": ("run",),
    "api.schemas": ("schemas", "write_schemas"),
    "api.selftests": ("Selftest", "selftest"),
    "api.sites": ("build_site", "serve_site"),
    "api.timings": ("TrackTiming", "time_track"),
    "api.transfers": ("export", "import_records"),
    "api.tuning": ("Tunings", "tune"),
    "api.validation": ("validate",),
    "api.verification": ("Verification", "verify"),
    "errors": (
        "BenchsuiteError",
        "DataError",
        "EmptySelectionError",
        "HardwareError",
        "IncompatibleError",
        "PluginError",
        "Problem",
        "SpecError",
        "StoreError",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}
"""Module of each public name, for ``__getattr__``; the same as in the imports for type checkers above."""


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'benchsuite' has no attribute '{name}'")
    found = getattr(import_module(f"benchsuite.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names, also those not imported yet."""
    return sorted({*globals(), *__all__})
