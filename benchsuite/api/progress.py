"""Show progress of runs on stderr: lines that move in a terminal, one line per run elsewhere."""

from __future__ import annotations

import time
import warnings
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from benchsuite.api.display import UNLIMITED, SafeConsole, print_parts
from benchsuite.api.live_board import LiveBoard, RunLine, fitted, name_of
from benchsuite.execution.planned_run import RefusedPair
from benchsuite.records.model import EpochMetrics, RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.registry import hookimpl
from benchsuite.specs.models.study import StudySpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.studies.contract import StudyStep

PLAIN_LINE_EVERY_S = 60.0
"""Seconds without a line after which a pipe gets one about the run whose epoch has ended."""


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

    def replaced(self, record: RunRecord) -> None:
        """Receive the record of a finished run that is made again: of other code or data than now."""

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
    """Progress on a console: a line per run and one for all in a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or SafeConsole(stderr=True, highlight=False)
        self.name = ""
        self.total = 0
        self.steps = 0
        self.finished = 0
        self.live = self.console.is_terminal
        self.board = LiveBoard()
        self.made_again: set[tuple[str, str]] = set()
        self.drawing = Live(self.board, console=self.console, refresh_per_second=4, transient=True)
        self.last_line = time.monotonic()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop drawing and leave the terminal as it was."""
        self.drawing.stop()

    def refused(self, pair: RefusedPair) -> None:
        """Print one line."""
        self._line(f"benchsuite: {pair}")

    def start(self, total: int) -> None:
        """Start drawing."""
        self.total = self.board.total = total
        if self.live:
            self.drawing.start()

    def found(self, record: RunRecord) -> None:
        """Print the line of a run that was finished before."""
        self._finish(record, "found")

    def replaced(self, record: RunRecord) -> None:
        """Print one line per row of a track whose earlier results are replaced."""
        place = record.spec.track, record.spec.rule.shown_as
        if place not in self.made_again:
            self.made_again.add(place)
            source = "the rule's source, benchsuite, torch or the data have changed since"
            kept = "the earlier ones are kept in the store's folder replaced"
            self._line(f"benchsuite: earlier results of {place[1]} on {place[0]} are replaced: {source}; {kept}")

    def warn(self, message: str) -> None:
        """Show a warning above the lines."""
        self.console.print(f"[yellow]warning:[/] {escape(message)}")

    @hookimpl
    def benchsuite_run_started(self, run_id: str, spec: RunSpec, resumed_from_epoch: int) -> None:
        """Open a line for the run; a run that is tried again after its worker was lost gets a new one."""
        line = RunLine(spec.track, spec.rule.shown_as, spec.seed, spec.protocol.epochs, resumed_from_epoch)
        line.epoch = resumed_from_epoch
        self.board.open(run_id, line)

    @hookimpl
    def benchsuite_steps_taken(self, run_id: str, epoch: int, step: int, steps: int) -> None:
        """Move the run's line within an epoch."""
        line = self.board.lines.get(run_id)
        if line is not None and epoch == line.epoch + 1:
            line.step, line.steps = step, steps

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: EpochMetrics) -> None:
        """Move the run's line; elsewhere than in a terminal, print one now and then."""
        line = self.board.lines.get(run_id)
        if line is None:
            return
        line.epoch, line.step, line.loss = metrics.epoch, 0, metrics.running_loss
        if metrics.test:
            line.error = metrics.test.error
        now = time.monotonic()
        if not self.live and now - self.last_line >= PLAIN_LINE_EVERY_S:
            self.last_line = now
            name = name_of(line.track, line.rule, line.seed, one_track=False)
            details = [(5, f"epoch {line.epoch}/{line.epochs} done"), *line.details(now)[1:]]
            self._line(fitted(name, details, UNLIMITED))

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord) -> None:
        """Close the run's line and print what came out."""
        self._finish(record, record.status.replace("_", " "))

    def _finish(self, record: RunRecord, word: str) -> None:
        self.board.close(record.run_id)
        self.last_line = time.monotonic()
        spec, test = record.spec, record.final_test
        self.board.tracks.add(spec.track)
        style = {"completed": "green", "incompatible": "yellow", "interrupted": "yellow"}.get(record.status, "red")
        completed = record.status == "completed"
        error = f"test error {100 * test.error:5.2f} %" if test and completed else ""
        seconds = f"{record.timing.train_time_s:6.1f} s"
        reason = "" if completed else f"  {record.reason}"
        count = self._count()
        if self.live:
            one_track = len(self.board.tracks) == 1
            name = name_of(spec.track, spec.rule.shown_as, spec.seed, one_track=one_track)
            details = [(3, word), *([(2, error)] if error else []), (1, seconds.strip())]
            shown = Text(fitted(f"{count}  {name}", details, self.console.width) + reason)
        else:
            rule = f"{spec.rule.shown_as:<28}"
            shown = Text(f"{count}  {spec.track}  {rule} seed {spec.seed}  {word}  {error}  {seconds}{reason}")
        shown.highlight_words([f"  {word}"], style)
        print_parts(self.console, [shown])

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
