"""Start Python programs warm: forked from one interpreter that has torch and benchsuite imported already.

Starting a program costs 3 to 5 s of a core, nearly all of it imports, and dozens of tests start one. Where the start
itself is what is tested, or there is no ``fork`` that one can trust, programs are started as ever.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from .forked_python import python_command

SERVER = Path(__file__).with_name("warm_server.py")
FORKS = sys.platform == "linux"
"""macOS's own libraries do not survive a fork without exec."""


class Process(Protocol):
    """The part of a process's interface that tests use, ``subprocess.Popen``'s or one of ours."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...
    def terminate(self) -> None: ...
    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]: ...


class WarmPython:
    """One interpreter that forks; started with the first program."""

    def __init__(self, folder: Path, address: Path | None = None) -> None:
        """Prepare to start programs.

        Args:
            folder: takes the outputs of programs.
            address: socket of the interpreter, for several processes that share one; one of this process's own if not
                given.

        """
        self.folder = folder
        self.address = address or folder / "warm.socket"
        self._numbers = itertools.count()
        self._connection: socket.socket | None = None
        self._unread = b""
        self._ended: dict[int, int] = {}
        self._started: list[int] = []

    def start(self, *arguments: str, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> Process:
        """Start ``python ARGUMENTS…`` in a session of its own, outputs captured.

        Args:
            arguments: as of ``python``: ``-m MODULE``, ``-c CODE`` or a script, and what follows.
            cwd: the folder to run in.
            environment: all variables; those of this process if not given.

        """
        given = dict(os.environ if environment is None else environment)
        if not FORKS:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=cwd,
                env=given,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        number = next(self._numbers)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        request = {
            "arguments": arguments,
            "cwd": str(cwd or Path.cwd()),
            "environment": given,
            "out": str(out),
            "err": str(err),
        }
        self._connected().sendall(json.dumps(request).encode() + b"\n")
        while not self._started:
            self._read(wait_s=60)
        return WarmProcess(self, self._started.pop(), out, err)

    def run(
        self,
        *arguments: str,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python ARGUMENTS…`` to its end; nothing is checked."""
        process = self.start(*arguments, cwd=cwd, environment=environment)
        try:
            out, err = process.communicate(timeout=timeout_s)
        finally:
            end(process)
        assert process.returncode is not None
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def code_of(self, pid: int, wait_s: float = 0.0) -> int | None:
        """Return a program's exit code, or None if it runs."""
        if pid not in self._ended:
            self._read(wait_s)
        return self._ended.get(pid)

    def close(self) -> None:
        """Leave the interpreter, which ends by itself; programs have ended before."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        if self._connection is None:
            with FileLock(self.address.with_suffix(".lock")):
                self._connection = self._connect() or self._connect_to_new()
        return self._connection

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.address))
        except OSError:  # nobody is there, or not yet
            connection.close()
            return None
        return connection

    def _connect_to_new(self) -> socket.socket:
        self.address.unlink(missing_ok=True)
        # Not a subprocess of this process: it may outlive it, to serve others.
        os.posix_spawn(sys.executable, [*python_command(), str(SERVER), str(self.address)], os.environ, setsid=True)
        deadline = time.monotonic() + 300
        while (connection := self._connect()) is None:
            assert time.monotonic() < deadline, "the warm interpreter does not start"
            time.sleep(0.05)
        return connection

    def _fill(self, wait_s: float) -> None:
        assert self._connection is not None
        if select.select([self._connection], [], [], wait_s)[0]:
            read = self._connection.recv(65536)
            assert read, "the warm interpreter has ended"
            self._unread += read

    def _read(self, wait_s: float) -> None:
        self._fill(wait_s)
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            match line.decode().split():
                case ["started", pid]:
                    self._started.append(int(pid))
                case ["ended", pid, code]:
                    self._ended[int(pid)] = int(code)


class WarmProcess:
    """A program that a warm interpreter runs."""

    def __init__(self, python: WarmPython, pid: int, out: Path, err: Path) -> None:
        """Take over a program that has been started."""
        self.python = python
        self.pid = pid
        self.out = out
        self.err = err
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self.python.code_of(self.pid)
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end and return what it wrote to stdout and stderr."""
        deadline = time.monotonic() + (timeout or 600)
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 600)
            self.returncode = self.python.code_of(self.pid, wait_s=0.05)
        return self.out.read_text(encoding="utf-8"), self.err.read_text(encoding="utf-8")


def end(process: Process) -> None:
    """End a program and all that it started, if any of it is left."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
