"""Time training steps on purpose: every rule of a track in turns, on one idle device."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.display import Displayed, Part
from benchsuite.api.options import PathLike, Paths, Rules, Settings, Tier, make_selection, store_folder
from benchsuite.api.tables import timing_table
from benchsuite.api.workspace import open_workspace
from benchsuite.data.roots import find_data_root
from benchsuite.errors import HardwareError
from benchsuite.execution.other_work import OtherWork, allowed_cores, find_other_work
from benchsuite.execution.timing_session import TimingSession, open_timing
from benchsuite.files import write_text_atomically
from benchsuite.records.reading import record_text
from benchsuite.records.store import RecordStore

if TYPE_CHECKING:
    from benchsuite.records.timing import TimingRecord
    from benchsuite.specs.loading.selection import Selection


@dataclass(frozen=True, repr=False)
class TrackTiming(Displayed):
    """The step times of a track's rules.

    Attributes:
        record: the record that was written.
        path: its file.
        refused: pairs of rule and network that cannot work, with the reasons.

    """

    record: TimingRecord
    path: Path
    refused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the counts in one line."""
        busy = ", on a busy machine" if self.record.busy else ""
        return f"<TrackTiming: {len(self.record.rows)} rules on {self.record.track}{busy}>"

    def parts(self) -> Sequence[Part]:
        """Return the table of times, and a line for each remark."""
        record = self.record
        remarks = [f"{record.rounds} rounds in turns; written to {self.path}", *self.refused]
        if record.busy:
            remarks.append(f"measured on a busy machine ({record.busy}): these times are never shown as costs")
        return [timing_table(record), *remarks]

    def as_data(self) -> dict[str, Any]:
        """Return the record as plain data."""
        return self.record.model_dump(mode="json")


def time_track(
    track: PathLike,
    *,
    rules: Rules = None,
    minutes: float = 3.0,
    tier: Tier | None = None,
    set: Settings = None,
    hardware: PathLike = "auto",
    anyway: bool = False,
    out: PathLike | None = None,
    store: PathLike | None = None,
    data_root: PathLike | None = None,
    specs: Paths = None,
    on_round: Callable[[int], None] = lambda number: None,
) -> TrackTiming:
    """Measure the time per training step of a track's rules: short stretches in turns, on one idle device.

    Tables and the site take a rule's cost from such a record of the same settings and hardware class, and from nothing
    else.

    Args:
        track: name of a track, or path of its YAML file.
        rules: names or patterns; all that are installed, and the track's variants, if not given.
        minutes: time of the measurement, setting up not included.
        tier: tier of the track; quick if not given.
        set: fields to override, as for ``run``.
        hardware: name of a hardware spec, or path of one.
        anyway: measure on a busy machine too; the record says so and is never shown as cost.
        out: folder to write to, with a folder per track, such as ``leaderboard/timing``; the store if not given.
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.
        on_round: called after each round with its number, from 1.

    Returns:
        The times: print ``.table()``; ``.record`` is the record, ``.path`` its file.

    Raises:
        SpecError: if a name or a value is wrong, or the target is a suite.
        EmptySelectionError: if no rule matches, or none can work in the track's network.
        DataError: if the data set is missing or damaged.
        HardwareError: if the hardware is not here, or the machine is busy.
        StoreError: if the record cannot be written.

    Example:
        >>> import benchsuite as bs
        >>> timing = bs.time_track("digits-fc", rules="backprop", minutes=0.01, tier="smoke", anyway=True)
        >>> timing.record.rounds, len(timing.record.rows[0].step_times_ms)
        (10, 10)

    """
    workspace = open_workspace(specs, track)
    selection = make_selection(track, rules, [0], tier, set, hardware)
    session: TimingSession = open_timing(selection, workspace.library, workspace.registry, find_data_root(data_root))
    busy = find_other_work(session.device)
    if busy and not anyway:
        raise HardwareError(
            f"the machine is busy: {busy}. Times would tell of that as well; stop it, or measure --anyway: the record "
            "then says so and is never shown as cost"
        )
    started, work = datetime.now(UTC), OtherWork()
    measured = session.measure(60 * minutes, on_round)
    cores = work.cores()
    if not busy and cores > allowed_cores():
        busy = f"other processes used {cores:.1f} cores during the measurement"
    record = session.record_of(measured, busy, cores, started, _command(selection, rules, minutes, anyway))
    own = RecordStore(store_folder(store))
    if out is None:
        path = own.write_timing(record)
    else:
        path = Path(out) / record.track / f"{record.timing_id}.json"
        write_text_atomically(path, record_text(record))
    return TrackTiming(record, path, tuple(str(pair) for pair in session.refused))


def _command(selection: Selection, rules: Rules, minutes: float, anyway: bool) -> str:
    words = ["benchsuite", "time", Path(selection.target).name, "--minutes", f"{minutes:g}"]
    if rules is not None:
        words += ["--rules", rules if isinstance(rules, str) else ",".join(rules)]
    words += ["--tier", selection.tier] if selection.tier else []
    for text in selection.overrides:
        words += ["--set", text]
    words += ["--hardware", Path(selection.hardware).name] if selection.hardware != "auto" else []
    return shlex.join([*words, *(["--anyway"] if anyway else [])])
