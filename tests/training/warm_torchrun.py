"""``torchrun`` for two processes of this machine that forks them, for ``test_ranks.py``.

Run as ``warm_torchrun.py SCRIPT ARGUMENTS…`` or ``warm_torchrun.py -m MODULE ARGUMENTS…``. It is torchrun's own agent,
with its rendezvous, variables and signals; only, no new Python is started per process.
"""

from __future__ import annotations

import signal
import sys
import traceback
import uuid

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch


def run_as_main(arguments: list[str]) -> None:
    """Run a script or module as one of the processes, and tell stderr of an error as an interpreter does."""
    from warm_server import run_program  # what has forked: a script, its folder is on the path

    from benchsuite.cli import main as main_module

    # Not the agent's handlers: a rank that torchrun starts as a program has none.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The agent waits for what this function returns; a rank that is a program ends by itself.
    main_module.end_process = sys.exit

    try:
        run_program(arguments)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def main() -> None:
    """Start both processes, wait for them, and exit with 1 if one fails."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        start_method="fork",
    )
    try:
        elastic_launch(config, run_as_main)(sys.argv[1:])
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
