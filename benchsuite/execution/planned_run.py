"""A planned run on paper: its estimated cost, or the reasons why it is refused. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.data.availability import availability
from benchsuite.specs.loading.resolve import SelectedRun

if TYPE_CHECKING:
    from benchsuite.data.kind import DatasetKind
    from benchsuite.data.tensors import DatasetReader
    from benchsuite.execution.compatibility import RunWithShapes


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of one run; not a measurement."""

    parameters: int
    own_parameters: int
    """Number of the rule's own parameters that learn, beside the network's."""
    flops_per_step: float
    """Forward pass, credit and weight gradients; a multiply and an add count as two operations. The mean over all steps
    of a protocol with stages."""
    flops_total: float
    """Over all epochs, those of pretraining too; evaluation left out."""
    memory_mib: float
    """Data, weights, gradients, optimizer state, feedback and one batch's activations, all resident at once."""

    def after(self, pretraining: Estimate) -> Estimate:
        """Return the estimate of a run with this main training after a pretraining; memory is that of the larger."""
        return replace(
            self,
            flops_total=pretraining.flops_total + self.flops_total,
            memory_mib=max(pretraining.memory_mib, self.memory_mib),
        )


def hours(flops: float, tflops: float, processes: int = 1) -> float:
    """Return the hours that ``flops`` operations take on devices that sustain ``tflops`` each, without evaluation."""
    return flops / (tflops * 1e12 * processes) / 3600


@dataclass(frozen=True)
class PlannedRun:
    """One run with its estimated cost, or the reasons why it is refused."""

    selected: SelectedRun
    run_id: str
    estimate: Estimate | None
    """None if the run is refused, or its work is unknown."""
    refused: tuple[str, ...]
    """Reasons why the rule cannot work in the network; empty if it can."""
    unknown: str = ""
    """The reason why the run's work is unknown: an error in the rule's own ``credit_work``, with its origin."""


@dataclass(frozen=True)
class RefusedPair:
    """A rule that cannot work on a track.

    Attributes:
        track: name of the track.
        rule: name of the rule.
        reasons: what the rule needs and the network lacks, one sentence per reason.
        fitting: names of a few built-in tracks on which the rule works.

    """

    track: str
    rule: str
    reasons: tuple[str, ...]
    fitting: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line: ``refused: gevb on digits-fc: needs …; it works on mnist-fc-vectorized-mixed``."""
        hint = f"; it works on {', '.join(self.fitting)}" if self.fitting else ""
        return f"refused: {self.rule} on {self.track}: {'; '.join(self.reasons)}{hint}"


@dataclass(frozen=True)
class MissingData:
    """A data set that is not at hand, and the runs that wait for it."""

    dataset: str
    runs: int
    """Number of runs that could not start, or would first download it."""
    detail: str
    """The missing files, and how to get them."""

    def __str__(self) -> str:
        """Return all in one line."""
        return f"data set '{self.dataset}' is not at hand for {self.runs} run{'s' * (self.runs != 1)}: {self.detail}"


def missing_data(
    planned: Sequence[PlannedRun], datasets: Mapping[str, DatasetReader | DatasetKind[Any]], data_root: Path
) -> list[MissingData]:
    """Return the data sets that runs need and that are not at hand; their files are not read.

    Args:
        planned: the runs.
        datasets: plugins' data sets by name.
        data_root: folder of data sets.

    """
    found: dict[tuple[str, str], int] = {}
    specs = {run.selected.spec.track: run.selected.spec.dataset for run in planned}  # all runs of a track have one
    by_track = {track: availability(spec, data_root, datasets) for track, spec in specs.items()}
    for run in planned:
        spec, looked = run.selected.spec.dataset, by_track[run.selected.spec.track]
        if looked.found or run.refused:
            continue
        fetch = f"; `benchsuite data fetch {spec.name}` gets it now" if looked.is_published else ""
        key = spec.name, looked.detail + fetch
        found[key] = found.get(key, 0) + 1
    return [MissingData(name, runs, detail) for (name, detail), runs in found.items()]


def refused_pairs(
    with_shapes: Sequence[RunWithShapes], fitting: Callable[[RunWithShapes], Sequence[str]]
) -> list[RefusedPair]:
    """Return each refused pair of track and rule once, for all its seeds together.

    Args:
        with_shapes: all runs of a request.
        fitting: finds tracks on which a refused run's rule works.

    """
    first = {
        (run.selected.spec.track, run.selected.spec.rule.name): run for run in reversed(with_shapes) if run.refused
    }
    return [
        RefusedPair(track, rule, run.refused, tuple(fitting(run))) for (track, rule), run in reversed(first.items())
    ]
