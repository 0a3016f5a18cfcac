"""Parts of the self-test that do on purpose what real ones do on a bad day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchsuite.acceptance import growing_record
from benchsuite.api import selftests

STUBS = {
    "hanging": "time.sleep(20)",
    "crashing": "report(row)\n    print('a library says no', flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)",
    # It forks, as the workers of a data loader are, and a fork that waits for ever has no exit code.
    "sound": "report(row)\n    assert request.earlier, 'rows of the parts before'\n"
    "    child = multiprocessing.get_context('fork').Process(target=int)\n    child.start()\n    child.join(10)\n"
    "    assert child.exitcode == 0, child.exitcode",
    "wrong": "report(row)\n    raise PartFailedError('1 row has a problem')",
    "unable": "raise PartSkippedError('there is no counter')",
    "interrupting": "report(row)\n    os.kill(os.getppid(), signal.SIGINT)\n    time.sleep(20)",
    "waiting": "report(row)\n    time.sleep(20)",
}
"""Bodies of their ``measure``, by module."""

HEAD = """
import multiprocessing, os, signal, time
from benchsuite.errors import PartFailedError, PartSkippedError
from benchsuite.records.selftest import Fact

row = Fact(name="written before", value="yes")

def measure(request, report):
    {body}
"""


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the stubs' modules, which this process and its parts can import; the machine is idle."""
    folder = tmp_path_factory.mktemp("stubs")
    for name, body in STUBS.items():
        (folder / f"stub_{name}.py").write_text(HEAD.format(body=body), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(growing_record, "find_other_work", lambda device: "")
        patch.setattr(growing_record, "allowed_cores", lambda: 1e9)
        patch.setattr(selftests, "PARTS", ())
        yield folder
