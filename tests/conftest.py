"""Shared by all tests: no test touches the network, the user's folders or another test's state.

Torch is imported within functions here: the process that only hands out tests to the workers does without it.
"""

# ruff: noqa: E402 - what processes inherit is set before torch is imported

from __future__ import annotations

import atexit
import gc
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

REPOSITORY = Path(__file__).resolve().parents[1]

# Compiling torch's source takes three times as long as importing it, and many container images set this variable. Then
# every process that a test starts would compile all of it again. Bytecode goes beside pytest's own cache instead.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.environ.setdefault("PYTHONPYCACHEPREFIX", str(REPOSITORY / ".pytest_cache" / "bytecode"))

# Read when torch is imported, here and in every process that a test starts. The matrices are small, and several workers
# with a thread for each core would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from benchsuite.process import STOP_SIGNALS

from . import forked_python
from .chromium import find_browser
from .scheduling import pytest_xdist_make_scheduler, turn_of  # noqa: F401 - a hook
from .warm import FORKS, WarmPython

if TYPE_CHECKING:
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.library import SpecLibrary

LEFT_OUT = pytest.StashKey[Counter[str]]()
"""Number of tests left out, by the marker that says why."""
REASONS = {
    "full": "beyond the covering set (`pytest -m full` runs them)",
    "slow": "of minutes (`pytest -m slow` runs them)",
    "cluster": "on a cluster of their own (`pytest -m cluster` runs them)",
    "separate_environment": "in an environment of their own (`pytest -m separate_environment` runs them)",
    "gpu": "without a CUDA device",
    "browser": "in Chromium (`pytest -m browser` runs them, where it and chromedriver are on the PATH)",
}


def pytest_configure(config: pytest.Config) -> None:
    # An example that takes longer on a busy machine is no failure.
    hypothesis.settings.register_profile("without_deadline", deadline=None)
    hypothesis.settings.load_profile("without_deadline")
    config.stash[LEFT_OUT] = Counter()
    # A shell lets what it starts in the background ignore Ctrl-C; tests send it to this process and to their own.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return a worker more than there are cores: tests of kills and time limits wait rather than compute."""
    affinity = getattr(os, "sched_getaffinity", None)
    return (len(affinity(0)) if affinity else os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Let workers begin with what takes longest to import, where processes can be forked; see ``forked_python.py``.

    Not where coverage is measured, which is to begin with the interpreter.
    """
    if not FORKS or config.pluginmanager.hasplugin("_cov"):
        return
    # Imported here: pytest runs without xdist too.
    from execnet.xspec import XSpec

    folder = tempfile.TemporaryDirectory(prefix="benchsuite-tests-")
    address = Path(folder.name) / "python.socket"
    server = subprocess.Popen([sys.executable, forked_python.__file__, "serve", str(address)], stdin=subprocess.PIPE)

    def end() -> None:
        server.communicate()
        folder.cleanup()

    config.add_cleanup(end)
    os.environ[forked_python.VARIABLE] = str(address)
    specs[:] = [XSpec(f"popen//python={shlex.join(forked_python.python_command())}") for _ in specs]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run, rather than skip test after test."""
    import torch

    missing = [name for name, there in (("gpu", torch.cuda.is_available()), ("browser", find_browser())) if not there]
    impossible = [item for item in items if any(item.get_closest_marker(name) for name in missing)]
    if impossible:
        config.hook.pytest_deselected(items=impossible)
        left_out = set(impossible)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: turn_of(item.nodeid))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays until the end, and pytest torch's own loggers.

    For each phase of each test, pytest adds its handlers to every logger that hands nothing to the root logger, and
    removes them again. Torch has 44 of these, a millisecond per test.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "torch" and isinstance(logger, logging.Logger):
            logger.propagate = True
    gc.collect()
    gc.freeze()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # A worker has reported everything by then; to take apart what it has imported takes two seconds of a core.
        atexit.register(os._exit, 0)
    else:
        atexit.register(gc.unfreeze)  # extension modules complain at the end of what they see as leaks


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what is left out, for the last lines of the report."""
    for item in items:
        item.config.stash[LEFT_OUT].update(name for name in REASONS if item.get_closest_marker(name))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a worker tell the process that reports; each of them has collected all tests."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Iterator[None]:
    """Count the cases that are marked ``full``, rather than make a test of each and leave it out, if none can run."""
    if not _excludes_full(metafunc.config.getoption("markexpr")):
        yield
        return
    parametrize, all_cases, kept_cases = metafunc.parametrize, 1, 1

    def parametrize_without_full(argnames: Any, argvalues: Any, *arguments: Any, **options: Any) -> None:
        nonlocal all_cases, kept_cases
        values = list(argvalues)
        kept = [value for value in values if all(mark.name != "full" for mark in getattr(value, "marks", ()))]
        kept = kept or values  # pytest takes an empty list for a mistake
        all_cases, kept_cases = all_cases * len(values), kept_cases * len(kept)
        parametrize(argnames, kept, *arguments, **options)

    metafunc.parametrize = parametrize_without_full  # type: ignore[method-assign]
    yield
    metafunc.config.stash[LEFT_OUT] += Counter(full=all_cases - kept_cases)


def _excludes_full(expression: str) -> bool:
    """Return True if ``-m`` is a plain list of conditions, and one is that a test is not marked ``full``."""
    return "not full" in expression.split(" and ") and " or " not in expression and "(" not in expression


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take from a worker what it has counted."""
    node.config.stash[LEFT_OUT] |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, so that nobody takes it for tested."""
    for name, count in config.stash[LEFT_OUT].items():
        terminalreporter.write_line(f"left out: {count} tests {REASONS[name]}")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep caches out of the user's home and downloads off; what a test needs of them it sets itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("BENCHSUITE_OFFLINE", "1")
    # A process per run costs seconds in a process that is not the command's own; tests/execution/hostile has them.
    monkeypatch.setenv("BENCHSUITE_EXECUTOR", "inline")
    for name in ("BENCHSUITE_SPECS", "BENCHSUITE_STORE", "BENCHSUITE_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    """Give torch its threads back: a run sets them for its process, and sums are added up in another order then."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def registry() -> Registry:
    """Return the registry of installed plugins."""
    from benchsuite.registry.manager import installed_registry

    return installed_registry()


@pytest.fixture(scope="session")
def installed_entry_points() -> list[EntryPoint]:
    """Return the entry points of installed plugins, which take a reading of every distribution's files to find."""
    from benchsuite.registry.manager import ENTRY_POINT_GROUP

    return list(entry_points(group=ENTRY_POINT_GROUP))


@pytest.fixture
def own_registry(installed_entry_points: list[EntryPoint]) -> Registry:
    """Return a registry that a test may register event plugins with."""
    from benchsuite.registry.manager import build_registry

    return build_registry(installed_entry_points)


@pytest.fixture
def library(registry: Registry) -> SpecLibrary:
    """Return the library of built-in specs."""
    from benchsuite.specs.loading.library import SpecLibrary, builtin_folder

    return SpecLibrary([builtin_folder()], registry.study_specs)


@pytest.fixture(scope="session")
def mnist_root() -> Path | None:
    """Return a data root that holds MNIST, or None on a machine without it."""
    for candidate in (os.environ.get("BENCHSUITE_DATA"), REPOSITORY.parent / "shared" / "data"):
        if candidate and (Path(candidate) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            return Path(candidate)
    return None


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPython]:
    """Return the interpreter that forks for each program which a test starts; all workers share one."""
    shared = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    python = WarmPython(tmp_path_factory.mktemp("warm"), (base.parent if shared else base) / "warm.socket")
    yield python
    python.close()


@pytest.fixture(scope="session")
def make_record():
    from .factories import make_record

    return make_record


@pytest.fixture(scope="session")
def make_seeds():
    from .factories import make_seeds

    return make_seeds


@pytest.fixture(scope="session")
def make_angles():
    from .factories import make_angles

    return make_angles


@pytest.fixture(scope="session")
def make_study():
    from .factories import make_study

    return make_study


@pytest.fixture
def signals_interrupt() -> Iterator[None]:
    """Let signals interrupt that a shell's background jobs and ``nohup`` ignore; CI may be started so."""
    handlers = dict.fromkeys(STOP_SIGNALS, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
