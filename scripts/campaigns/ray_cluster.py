"""A Ray cluster of this machine for the campaigns: nodes that can be killed and added."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import psutil
from commands import Commands

START = """
import json, sys
from ray.cluster_utils import Cluster
options = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
others = []
def tell():
    print("answer", json.dumps({"address": cluster.address, "others": len(others)}), flush=True)
tell()
for line in sys.stdin:
    if line == "add\\n":
        others.append(cluster.add_node(**options))
        cluster.wait_for_nodes()
    elif line == "kill\\n":
        cluster.remove_node(others.pop(), allow_graceful=False)
    tell()
cluster.shutdown()
"""
"""Program of the process that owns the cluster; it obeys a word per line and answers each."""


class RayCluster:
    """A head node with one core; others can be added and killed.

    Args:
        commands: give the environment that workers inherit.

    """

    def __init__(self, commands: Commands) -> None:
        started = commands.environment(
            # A loaded machine takes longer to start a node than the half minute that Ray waits.
            RAY_raylet_start_wait_time_s="300",
            RAY_agent_register_timeout_ms="300000",
            RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
            RAY_USAGE_STATS_ENABLED="0",
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=started,
            cwd=commands.folder,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.address = str(self._answer()["address"])

    def _answer(self) -> dict[str, object]:
        assert self._process.stdout is not None  # noqa: S101 - as started
        for line in self._process.stdout:
            if line.startswith("answer "):
                answer: dict[str, object] = json.loads(line.removeprefix("answer "))
                return answer
        raise SystemExit("Ray's cluster has ended")

    def _ask(self, word: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - as started
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._answer()

    def add_node(self) -> None:
        """Add a node with one core, and wait until it takes work."""
        self._ask("add")

    def kill_node(self) -> None:
        """Kill the node that was added last, with all its workers."""
        self._ask("kill")

    def stop(self) -> None:
        """End the cluster and all its processes."""
        left: list[subprocess.Popen[str] | psutil.Process] = [
            self._process,
            *psutil.Process(self.pid).children(recursive=True),
        ]
        self._process.stdin.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=60)
        for process in left:
            with suppress(psutil.Error, OSError):
                process.kill()
        self._process.wait()


def ray_workers(cluster: int) -> list[psutil.Process]:
    """Return the workers that make runs, of the cluster whose owner has this process id."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(cluster).children(recursive=True):
            with suppress(psutil.Error):
                if "make_run" in " ".join(process.cmdline()):
                    found.append(process)
    return found
