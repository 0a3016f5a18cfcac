"""Helper processes of a command: fresh interpreters that work beside it and end with it."""

from __future__ import annotations

import json
import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from benchsuite.errors import PluginError
from benchsuite.process import own_process, stdout_to_stderr

BOOT = (
    "import importlib, json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "sys.exit(importlib.import_module(sys.argv[2]).main())"
)
"""Code that a helper's interpreter runs: never the caller's script."""

GRACE_S = 60.0
"""Time for a helper to save its state when the command was interrupted."""


def start_helper(module: str, stdout: int) -> subprocess.Popen[bytes]:
    """Start an interpreter that calls ``main()`` of a module and exits with what it returns.

    Args:
        module: full name of the module.
        stdout: as for ``subprocess.Popen``.

    """
    return subprocess.Popen(
        [sys.executable, "-c", BOOT, json.dumps(sys.path), module],
        stdin=subprocess.PIPE,
        stdout=stdout,
        start_new_session=True,  # a terminal's signals are for the command alone, which passes them on
    )


@contextmanager
def ended_after(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Interrupt the helpers that are left when the block ends, and wait for them."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(module: str, request: object, questions: Iterable[str], count: int) -> Iterator[Any]:
    """Yield the answer to each question, in the order of questions; helpers answer as many at once as there are.

    All helpers have ended when the iterator has ended, was closed, or raised.

    Args:
        module: full name of a module whose ``main()`` calls ``answer_questions``.
        request: what each helper is given once; must be picklable.
        questions: texts.
        count: number of helpers.

    Raises:
        PluginError: if a helper died; other helpers are stopped.
        Exception: what answering a question has raised.

    """
    helpers = [start_helper(module, subprocess.PIPE) for _ in range(count)]
    idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
    # Helpers end first, so that no thread waits for an answer when the pool is closed.
    with ThreadPoolExecutor(count) as pool, ended_after(helpers):
        for helper in helpers:
            with suppress(BrokenPipeError):  # found again by the first question
                _send(helper, request)
            idle.put(helper)

        def ask(question: str) -> Any:
            helper = idle.get()
            try:
                return _ask(helper, question)
            finally:
                idle.put(helper)

        pending = [pool.submit(ask, question) for question in questions]
        try:
            for future in pending:
                answer = future.result()
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _send(helper: subprocess.Popen[bytes], message: object) -> None:
    assert helper.stdin is not None  # noqa: S101 - it was started with pipes
    pickle.dump(message, helper.stdin)
    helper.stdin.flush()


def _ask(helper: subprocess.Popen[bytes], question: str) -> Any:
    assert helper.stdout is not None  # noqa: S101 - it was started with pipes
    try:
        _send(helper, question)
        return pickle.load(helper.stdout)  # noqa: S301 - from a process of our own
    except (EOFError, OSError, pickle.UnpicklingError):
        status = helper.wait()
        raise PluginError(
            f"{question}: its helper process died (exit status {status}); with one job the reason can be seen"
        ) from None


def answer_questions(prepare: Callable[[Any], Callable[[str], object]]) -> int:
    """Answer what a helper is asked until its command closes the pipe; what answering raises is the answer.

    Args:
        prepare: takes the request and returns the function that answers a question.

    """
    own_process()
    questions = sys.stdin.buffer
    with os.fdopen(os.dup(1), "wb") as out, stdout_to_stderr(), suppress(EOFError):
        answer = prepare(pickle.load(questions))  # noqa: S301 - from the command
        while True:
            question = pickle.load(questions)  # noqa: S301
            try:
                given: object = answer(question)
            except Exception as error:
                given = error
            pickle.dump(given, out)
            out.flush()
    return 0
