"""Display of runs while they train: a line per run, and one for all of them. Lines fit the terminal's width."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from benchsuite.api.tables import rule_name
from benchsuite.results.formatting import duration

LEAST_FRACTION = 0.02
"""Share of a run after which its time left is worth telling."""

BAR = 20
"""Width of the bar of all runs."""


@dataclass
class RunLine:
    """State of one run in progress.

    Attributes:
        track: its track.
        rule: its rule or variant.
        seed: its seed index.
        epochs: number of epochs of the whole run.
        resumed: epochs that an earlier command did.
        began: time of its start, on ``time.monotonic``.
        epoch: finished epochs.
        step: steps issued in the current epoch.
        steps: steps per epoch; 0 if not known yet.
        loss: running loss of the last epoch.
        error: last measured test error, a fraction.

    """

    track: str
    rule: str
    seed: int
    epochs: int
    resumed: int = 0
    began: float = field(default_factory=time.monotonic)
    epoch: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    error: float | None = None

    @property
    def fraction(self) -> float:
        """Share of this command's part of the run that is done."""
        done = self.epoch - self.resumed + (self.step / self.steps if self.steps else 0.0)
        return min(done / max(self.epochs - self.resumed, 1), 1.0)

    def seconds_left(self, now: float) -> float | None:
        """Return the time left if the rest goes as what is done; None as long as too little is done."""
        done = self.fraction
        return None if done < LEAST_FRACTION else (now - self.began) * (1 - done) / done

    def details(self, now: float) -> list[tuple[int, str]]:
        """Return (importance, text) of what is known, in the order of the line."""
        left = self.seconds_left(now)
        return [
            (5, f"epoch {min(self.epoch + 1, self.epochs)}/{self.epochs}"),
            *([(2, f"step {self.step}/{self.steps}")] if self.step else []),
            *([(1, f"loss {self.loss:.3g}")] if self.loss is not None else []),
            *([(4, f"error {100 * self.error:.2f} %")] if self.error is not None else []),
            *([(3, _left(left))] if left is not None else []),
        ]


def name_of(track: str, rule: str, seed: int, *, one_track: bool) -> str:
    """Return the name of a run with the rule's short name; without the track where all runs have the same."""
    name = f"{rule_name(rule).short} seed {seed}"
    return name if one_track else f"{track} {name}"


def fitted(name: str, details: Iterable[tuple[int, str]], width: int) -> str:
    """Return a line with a name and as many details as fit; one that does not fit is left out whole."""
    shown = list(details)
    while shown:
        line = "  ".join([name, *(text for _, text in shown)])
        if cell_len(line) <= width:
            return line
        shown.remove(min(shown))
    return name


def _left(seconds: float) -> str:
    return f"{duration(max(round(seconds), 1))} left"


class LiveBoard:
    """The lines of the runs in progress, and of all together; drawn anew several times a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.total = 0
        self.done = 0
        self.lines: dict[str, RunLine] = {}
        self.tracks: set[str] = set()
        self.durations: list[float] = []
        """Times of the runs that this command has finished."""
        self.at_once = 1

    def open(self, run_id: str, line: RunLine) -> None:
        """Show a run that starts."""
        self.lines[run_id] = line
        self.tracks.add(line.track)
        self.at_once = max(self.at_once, len(self.lines))

    def close(self, run_id: str) -> None:
        """Take away a run that has ended."""
        line = self.lines.pop(run_id, None)
        if line is not None:
            self.durations.append(self.clock() - line.began)
        self.done += 1

    def seconds_left(self) -> float | None:
        """Return the time left of all runs, if those to come take as long as those so far; None if nothing is known."""
        now = self.clock()
        whole = [*self.durations]
        rest = 0.0
        for line in self.lines.values():
            left = line.seconds_left(now)
            if left is not None:
                whole.append(now - line.began + left)
                rest += left
        if not whole:
            return None
        mean = sum(whole) / len(whole)
        unknown = sum(line.seconds_left(now) is None for line in self.lines.values())
        waiting = self.total - self.done - len(self.lines) + unknown
        return (rest + waiting * mean) / self.at_once

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        yield from (Text(line, no_wrap=True) for line in self.texts(options.max_width))

    def texts(self, width: int) -> Iterator[str]:
        """Yield the lines as plain text."""
        now = self.clock()
        for line in self.lines.values():
            name = name_of(line.track, line.rule, line.seed, one_track=len(self.tracks) == 1)
            yield fitted(name, line.details(now), width)
        if self.total:
            left = self.seconds_left()
            share = (self.done + sum(line.fraction for line in self.lines.values())) / self.total
            filled = min(round(BAR * share), BAR)
            bar = "━" * filled + "─" * (BAR - filled)
            time_left = [(1, _left(left))] if left is not None and self.done < self.total else []
            yield fitted(f"{bar}  {self.done} of {self.total} runs", time_left, width)
