"""Oracle: what signals do to a Python program. However many come, and whenever, the record is written."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from benchsuite.execution import run as run_module
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.events import send_event
from benchsuite.execution.interruption import interrupted_once, interruptions_deferred, sigterm_as_interrupt
from benchsuite.execution.run import Run
from benchsuite.process import STOP_SIGNALS, Handler
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry import hookimpl
from benchsuite.registry.interrupts import watched_for_stop
from benchsuite.registry.manager import build_registry

from ..small_runs import MakeRun, MakeSpec

pytestmark = pytest.mark.usefixtures("signals_interrupt")


@pytest.fixture
def signal_before_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a second signal meet the record while it is being written."""
    write = RecordStore.write

    def met(self: RecordStore, record: RunRecord) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return write(self, record)

    monkeypatch.setattr(RecordStore, "write", met)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_waits_for_the_block_and_is_let_in_after_it(number: signal.Signals) -> None:
    done = []

    def hold() -> None:
        with interruptions_deferred():
            signal.raise_signal(number)
            done.append("the whole block")

    with sigterm_as_interrupt(), pytest.raises(KeyboardInterrupt):
        hold()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_of_several_signals_the_first_alone_interrupts() -> None:
    """Catches a second Ctrl-C or a scheduler's SIGTERM that ends the handling of the first, and loses the record."""
    done = []

    def handle() -> None:
        with interrupted_once():
            try:
                signal.raise_signal(signal.SIGTERM)
            except KeyboardInterrupt:
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    signal.raise_signal(number)
                done.append("the whole handling")

    with sigterm_as_interrupt():
        handle()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextmanager
def event_sent() -> Iterator[None]:
    """Send an event to a plugin; the block is after it."""
    plugins = build_registry([]).manager
    plugins.register(SilentPlugin(), "silent")
    send_event(plugins, "benchsuite_run_failed", record=None)
    yield


class SilentPlugin:
    @hookimpl
    def benchsuite_run_failed(self) -> None:
        pass


@pytest.mark.parametrize("block", [interruptions_deferred, interrupted_once, watched_for_stop, event_sent])
@pytest.mark.parametrize("position", range(2 * len(STOP_SIGNALS)))
def test_a_signal_that_meets_the_change_of_handlers_stops_the_run_and_leaves_none_behind(
    block: Callable[[], AbstractContextManager[object]], position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a signal lost, or taken for a plugin's error, and a handler that swallows all later ones."""
    changes = itertools.count()
    change = signal.signal

    def met(number: int, handler: Handler) -> object:
        before = change(number, handler)
        if next(changes) == position:
            signal.raise_signal(signal.SIGINT)
        return before

    with sigterm_as_interrupt():
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012  # either may raise it
            patch.setattr(signal, "signal", met)
            with block():
                pass
        assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before


def test_a_thread_holds_nothing() -> None:
    """Python hands signals to the main thread alone, and lets no other ask for them."""
    before, seen = signal.getsignal(signal.SIGTERM), []

    def hold() -> None:
        with interruptions_deferred():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.usefixtures("signal_before_writing")
def test_a_signal_that_meets_the_record_of_a_finished_run_loses_nothing(
    make_spec: MakeSpec, make_run: MakeRun, store: RecordStore
) -> None:
    assert record_of_stopped(make_run(make_spec()), store, KeyboardInterrupt).status == "completed"


@pytest.mark.usefixtures("signal_before_writing")
def test_a_second_signal_does_not_take_the_record_of_the_first(
    make_spec: MakeSpec, make_run: MakeRun, store: RecordStore
) -> None:
    run = make_run(make_spec())
    run.state.emit = interrupt_in_the_second_epoch
    record = record_of_stopped(run, store, KeyboardInterrupt)
    assert (record.status, len(record.epochs)) == ("interrupted", 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_meets_a_callback_of_the_interpreter_stops_the_run(
    make_spec: MakeSpec, make_run: MakeRun, store: RecordStore
) -> None:
    """Catches a run that trains on until it is killed, since torch's loader was being taken apart at Ctrl-C."""

    class Loader:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def end_a_loader(event: str, **arguments: Any) -> None:
        if event == "benchsuite_epoch_finished" and arguments["metrics"].epoch == 1:
            Loader()

    run = make_run(make_spec())
    run.state.emit = end_a_loader
    record = record_of_stopped(run, store, InterruptedRunError)
    assert (record.status, len(record.epochs)) == ("interrupted", 1)


def record_of_stopped(run: Run, store: RecordStore, error: type[BaseException]) -> RunRecord:
    """Execute a run that ends with an error, and return the record that it leaves."""
    with sigterm_as_interrupt(), pytest.raises(error):
        run.execute()
    record = store.find(run.id)
    assert record is not None
    return record


def interrupt_in_the_second_epoch(event: str, **arguments: Any) -> None:
    if event == "benchsuite_epoch_finished" and arguments["metrics"].epoch == 2:
        raise KeyboardInterrupt


def test_a_signal_that_comes_while_an_error_is_taken_in_is_an_interruption(
    make_spec: MakeSpec, make_run: MakeRun, store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If processes lose one another, the system's signal is let in at the error's first line."""

    def signalled(error: Exception, device: str) -> Any:
        raise KeyboardInterrupt

    def lost(event: str, **arguments: Any) -> None:
        if event == "benchsuite_epoch_finished":
            raise RuntimeError("the other process is gone")

    monkeypatch.setattr(run_module, "ending_from_error", signalled)
    run = make_run(make_spec())
    run.state.emit = lost
    with pytest.raises(InterruptedRunError):
        run.execute()
    record = store.find(run.id)
    assert record is not None
    assert (record.status, len(record.epochs)) == ("interrupted", 1)
