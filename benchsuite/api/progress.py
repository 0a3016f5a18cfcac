"""Show progress of runs on stderr: bars in a terminal, one line per run elsewhere."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from benchsuite.api.display import SafeConsole
from benchsuite.execution.planned_run import RefusedPair
from benchsuite.records.model import EpochMetrics, RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.registry import hookimpl
from benchsuite.specs.models.study import StudySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.studies.contract import StudyStep


class Progress:
    """Receiver of the events of ``run``; shows only warnings. Derive from it to show progress in your own way.

    While runs are made, an instance is registered as a plugin: any event of ``benchsuite.registry.hookspecs`` that it
    implements (decorated with ``hookimpl``) is called too. It is entered as a context manager around the runs.
    """

    def __enter__(self) -> Self:
        """Start showing."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop showing."""

    def refused(self, pair: RefusedPair) -> None:
        """Take note of a rule that cannot work on a track, before any run starts."""

    def start(self, total: int) -> None:
        """Receive the total number of runs."""

    def found(self, record: RunRecord) -> None:
        """Receive the record of a run that was finished before and is not run again."""

    def warn(self, message: str) -> None:
        """Show a warning that does not stop the runs, such as an unreachable mirror."""
        warnings.warn(message, stacklevel=2)

    def start_study(self, spec: StudySpec, steps: int) -> None:
        """Receive the spec of a study that starts, and its number of steps."""

    def found_study(self, record: StudyRecord) -> None:
        """Receive the record of a study that was made before and is not made again."""

    def study_step_finished(self, step: StudyStep, seconds: float) -> None:
        """Receive one finished step of a study, with its time."""


class ProgressDisplay(Progress):
    """Progress on a console: bars in a terminal, one line per run elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or SafeConsole(stderr=True, highlight=False)
        self.name = ""
        self.total = 0
        self.steps = 0
        self.finished = 0
        self.live = self.console.is_terminal
        self.bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not self.live,
            transient=True,
        )
        self.all_runs: TaskID = self.bars.add_task("runs", total=None, note="")
        self.tasks: dict[str, TaskID] = {}
        """Bars of the runs in progress; an executor makes several at once."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop drawing and leave the terminal as it was."""
        if self.total:
            self.bars.stop()

    def refused(self, pair: RefusedPair) -> None:
        """Print one line."""
        self._line(f"benchsuite: {pair}")

    def start(self, total: int) -> None:
        """Start drawing the bar of all runs."""
        self.total = total
        self.bars.update(self.all_runs, total=total)
        self.bars.start()

    def found(self, record: RunRecord) -> None:
        """Print the line of a run that was finished before."""
        self._finish(record, "found")

    def warn(self, message: str) -> None:
        """Show a warning above the bars."""
        self.console.print(f"[yellow]warning:[/] {escape(message)}")

    @hookimpl
    def benchsuite_run_started(self, run_id: str, spec: RunSpec, resumed_from_epoch: int) -> None:
        """Open the run's own bar."""
        name = f"{spec.track} {spec.rule.shown_as} seed {spec.seed}"
        note = f"continued after epoch {resumed_from_epoch}" if resumed_from_epoch else ""
        if run_id in self.tasks:  # retried after its worker was lost
            self.bars.remove_task(self.tasks.pop(run_id))
        self.tasks[run_id] = self.bars.add_task(
            escape(name), total=spec.protocol.epochs, completed=resumed_from_epoch, note=note
        )

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: EpochMetrics) -> None:
        """Move the run's bar."""
        if run_id in self.tasks:
            error = f"test error {100 * metrics.test.error:.2f} %" if metrics.test else ""
            self.bars.update(self.tasks[run_id], completed=metrics.epoch, note=error)

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord) -> None:
        """Close the run's bar and print one line."""
        if record.run_id in self.tasks:
            self.bars.remove_task(self.tasks.pop(record.run_id))
        self._finish(record, record.status.replace("_", " "))

    def _finish(self, record: RunRecord, word: str) -> None:
        self.bars.update(self.all_runs, advance=1)
        test = record.final_test
        error = f"test error {100 * test.error:5.2f} %" if test and record.status == "completed" else ""
        style = {"completed": "green", "incompatible": "yellow", "interrupted": "yellow"}.get(record.status, "red")
        reason = "" if record.status == "completed" else f"  {escape(record.reason)}"
        spec = record.spec
        rule = escape(spec.rule.shown_as)
        self.console.print(
            f"{self._count()}  {escape(spec.track)}  {rule:<28} seed {spec.seed}  [{style}]{word}[/]"
            f"  {error}  {record.timing.train_time_s:6.1f} s{reason}",
            soft_wrap=True,
        )

    def start_study(self, spec: StudySpec, steps: int) -> None:
        """Store the name of the study and its number of steps."""
        self.name = spec.name
        self.steps = steps

    def found_study(self, record: StudyRecord) -> None:
        """Print the line of a study that was found."""
        self._line(f"{record.spec.name}  already done, not run again (--fresh reruns it)")

    def study_step_finished(self, step: StudyStep, seconds: float) -> None:
        """Print the line of one step."""
        self._line(f"{self._count()}  {self.name}  {step.label}  {step.outcome}  {seconds:.1f} s")

    def _count(self) -> str:
        """Add one to the finished runs and return the count, right-aligned."""
        self.finished += 1
        total = self.total or self.steps
        return f"{self.finished}/{total}".rjust(2 * len(str(total)) + 1)

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def as_progress(given: bool | Progress) -> Progress:
    """Return the display that ``progress=True`` stands for, a silent one for False, or the one given."""
    if isinstance(given, Progress):
        return given
    return ProgressDisplay() if given else Progress()
