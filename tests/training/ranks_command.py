"""The command, saving after every epoch: a test that waits for the first checkpoint need not wait for 5 s.

Started by ``torchrun ranks_command.py ARGUMENTS…`` for ``test_ranks.py``.
"""

from __future__ import annotations

from benchsuite.cli.main import main
from benchsuite.execution import checkpointing

if __name__ == "__main__":
    checkpointing.CHECKPOINT_EVERY_S = 0.0
    main()
