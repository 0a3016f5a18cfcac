"""System metrics of runs that train, if asked for by MLflow's own variable ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING``."""

from __future__ import annotations

from typing import Any, Protocol


class Monitor(Protocol):
    """A thread that logs the machine's load to a run."""

    def finish(self) -> None:
        """End it, and write what it has."""


def started_monitor(mlflow_run_id: str, tracking_uri: str) -> Monitor | None:
    """Start a thread that logs the machine's load to a run until the run ends; return None unless asked for."""
    from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

    asked: Any = MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING
    if not asked.get():
        return None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    make: Any = SystemMetricsMonitor
    monitor: Any = make(mlflow_run_id, tracking_uri=tracking_uri)
    monitor.start()
    return monitor  # type: ignore[no-any-return] # MLflow's functions have no types
