"""A server in an interpreter of its own, for callers whose process cannot be forked."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchsuite.errors import BenchsuiteError
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.run import Run
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.workers.messages import Request
from benchsuite.execution.workers.server import serve
from benchsuite.process import end_process
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import installed_registry
from benchsuite.training.ranks import SINGLE_PROCESS


def main(descriptor: int) -> None:
    """Load plugins and serve until the caller's process closes the connection or ends."""
    torch.set_num_threads(1)  # a worker sets its own; threads that were used here would hang there
    keep_freed_memory()
    installed_registry()
    serve(Connection(descriptor), _prepare, _make_run_state)
    end_process(0)  # else Python takes torch apart, and its extension modules tell the caller's terminal of leaks


@cache
def _loader(data_root: Path) -> DataLoader:
    return DataLoader(data_root, installed_registry(), keep=2)


def _prepare(request: Request) -> None:
    os.chdir(request.folder)
    with suppress(BenchsuiteError):  # the worker meets it again, and says it
        _loader(request.data_root).load(request.selected.spec.dataset)


def _ignore(record: RunRecord) -> None:
    """Take no notice of a record that is reused: the command does."""


def _make_run_state(request: Request, emit: Any) -> Run:
    registry = installed_registry()
    factory = RunFactory(
        RecordStore(request.store), registry, request.data_root, request.fresh, _ignore, SINGLE_PROCESS
    )
    factory.loader = _loader(request.data_root)
    return factory.run_of(request.selected, emit=emit)
