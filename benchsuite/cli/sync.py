"""``benchsuite sync``: bring MLflow up to date with the records."""

from __future__ import annotations

from dataclasses import asdict

from benchsuite.cli.options import DEFAULT_STORE, JsonOption, StoreOption, TrackingOption, output, print_json


def sync(store: StoreOption = DEFAULT_STORE, tracking_uri: TrackingOption = None, as_json: JsonOption = False) -> int:
    """Mirror every record of a run or a tuning that MLflow does not hold, and close runs whose process was killed."""
    from benchsuite.api.mirror import sync

    report = sync(store=store, tracking_uri=tracking_uri)
    if as_json:
        print_json(asdict(report))
    else:
        console = output()
        console.print(
            f"{report.mirrored} mirrored, {report.unchanged} there already, {report.running} running, "
            f"{report.reconciled} stale runs closed"
        )
        for run_id, reason in report.failed:
            console.print(f"failed: {run_id}: {reason}", markup=False, soft_wrap=True)
        if report.not_tried:
            console.print(f"not tried after several failures in a row: {report.not_tried}")
        for broken in report.broken:
            console.print(f"left out: {broken.path}: {broken.reason}", markup=False, soft_wrap=True)
    return 0 if report.complete and not report.broken else 1
