"""Live progress on stderr: bars where a person watches, one line a run where nobody does."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchsuite.records.model import EpochMetrics, RunRecord
from benchsuite.registry import hookimpl
from benchsuite.specs.models.track import RunSpec


class ProgressDisplay:
    """A plugin on the harness's events that shows what is going on."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self.total = total
        self.finished = 0
        self.live = console.is_terminal
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not self.live,
            transient=True,
        )
        self.all_runs: TaskID = self.progress.add_task("runs", total=total, note="")
        self.bars: dict[str, TaskID] = {}
        """Of the runs under way; an executor makes several at once."""

    def __enter__(self) -> ProgressDisplay:
        """Start drawing."""
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop drawing and leave the terminal as it was."""
        self.progress.stop()

    def reused(self, record: RunRecord) -> None:
        """Say that a finished run was found."""
        self._finish(record, "found")

    def warn(self, message: str) -> None:
        """Show a warning above the bars."""
        self.console.print(f"[yellow]warning:[/] {escape(message)}")

    @hookimpl
    def benchsuite_run_started(self, run_id: str, spec: RunSpec, resumed_from_epoch: int) -> None:
        """Open the run's own bar."""
        name = f"{spec.track} {spec.rule.name} seed {spec.seed}"
        note = f"continued after epoch {resumed_from_epoch}" if resumed_from_epoch else ""
        if run_id in self.bars:  # tried again after its worker was lost
            self.progress.remove_task(self.bars.pop(run_id))
        self.bars[run_id] = self.progress.add_task(
            escape(name), total=spec.protocol.epochs, completed=resumed_from_epoch, note=note
        )

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: EpochMetrics) -> None:
        """Move the run's bar."""
        if run_id in self.bars:
            error = f"test error {100 * metrics.test.error:.2f} %" if metrics.test else ""
            self.progress.update(self.bars[run_id], completed=metrics.epoch, note=error)

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord) -> None:
        """Close the run's bar and leave one line."""
        if record.run_id in self.bars:
            self.progress.remove_task(self.bars.pop(record.run_id))
        self._finish(record, record.status.replace("_", " "))

    def _finish(self, record: RunRecord, word: str) -> None:
        self.finished += 1
        self.progress.update(self.all_runs, advance=1)
        test = record.final_test
        error = f"test error {100 * test.error:5.2f} %" if test else ""
        style = {"completed": "green", "incompatible": "yellow", "interrupted": "yellow"}.get(record.status, "red")
        reason = "" if record.status == "completed" else f"  {escape(record.reason)}"
        count = f"{self.finished}/{self.total}".rjust(2 * len(str(self.total)) + 1)
        spec = record.spec
        self.console.print(
            f"{count}  {escape(spec.track)}  {escape(spec.rule.name):<28} seed {spec.seed}  [{style}]{word}[/]  "
            f"{error}  {record.timing.train_time_s:6.1f} s{reason}",
            soft_wrap=True,
        )
