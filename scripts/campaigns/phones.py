"""Watch where a run, MLflow's pages and the leaderboard's connect to: nothing may phone home.

    python scripts/campaigns/phones.py [--seconds N]

Each command runs under ``strace``, which writes down every connection, every datagram, and every address on which it
listens. Prints counts per command, and each address that is not this machine's own; exits with 1 if there is any.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

CALLS = "connect,sendto,sendmsg,sendmmsg,bind"
ADDRESS = re.compile(r'(?:inet_addr\("|inet_pton\(AF_INET6, ")([^"]+)"')
CALL = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg|bind)\(")
ENDS_S = 900.0


def commands(store: Path) -> dict[str, tuple[list[str], bool]]:
    """Return the commands by name, each with True if it is a server, which does not end by itself."""
    at = ["--store", str(store)]
    run = ["run", "digits-fc", "--tier", "smoke", "--rules", "backprop", "--seeds", "1", "--hardware", "cpu"]
    return {
        "run": ([*run, *at], False),
        "sync": (["sync", *at], False),
        "ui": (["ui", *at, "--port", "5417"], True),
        "leaderboard serve": (["leaderboard", "serve", *at, "--out", str(store / "site"), "--port", "5418"], True),
    }


def outside(trace: str) -> tuple[Counter[str], list[str]]:
    """Return the counts of calls with an internet address, and lines whose address is not of this machine.

    Port 0 is left out: a datagram socket that is "connected" there asks the system for a route and sends nothing.
    """
    counts: Counter[str] = Counter()
    found = []
    for line in trace.splitlines():
        call, address = CALL.search(line), ADDRESS.search(line)
        if call is None or address is None:
            continue
        counts[call.group(1)] += 1
        if not ipaddress.ip_address(address.group(1)).is_loopback and "htons(0)" not in line:
            found.append(line.strip())
    return counts, found


def watched(strace: str, arguments: list[str], is_server: bool, folder: Path, seconds: float) -> str:
    """Run a command under strace and return the trace; a server is stopped after so many seconds."""
    trace = folder / "trace"
    environment = {**os.environ, "BENCHSUITE_EXECUTOR": "local", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [
            strace,
            "-f",
            "-qq",
            "-e",
            f"trace={CALLS}",
            "-o",
            str(trace),
            sys.executable,
            "-m",
            "benchsuite",
            *arguments,
        ],
        env=environment,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "stderr").open("w"),
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds if is_server else ENDS_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode not in (0, -signal.SIGKILL, 128 + signal.SIGINT):
        print((folder / "stderr").read_text()[-2000:])
    return trace.read_text(encoding="utf-8", errors="replace")


def main() -> int:
    """Watch each command and print what was seen."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="that each server is watched")
    arguments = parser.parse_args()
    strace = shutil.which("strace")
    if strace is None:
        raise SystemExit("needs strace: apt-get install strace")
    row = "{:20} {:>8} {:>8} {:>6} {:>8} {:>8}"
    print(row.format("command", "connect", "send", "bind", "outside", "seconds"), flush=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="benchsuite-phones-") as name:
        for label, (command, is_server) in commands(Path(name) / "store").items():
            began = time.monotonic()
            counts, found = outside(watched(strace, command, is_server, Path(name), arguments.seconds))
            sent = counts["sendto"] + counts["sendmsg"] + counts["sendmmsg"]
            took = round(time.monotonic() - began)
            print(row.format(label, counts["connect"], sent, counts["bind"], len(found), took), flush=True)
            for line in found:
                print(f"  {line}", flush=True)
            if is_server and not counts["bind"]:
                print("  it did not listen within the time; give more --seconds", flush=True)
                bad += 1
            bad += len(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
