"""Rules that do what a rule must not do; installed as a plugin for one command by ``test_hostile_rules.py``.

All of them compute backprop's gradient, so that a run that was not harmed has backprop's numbers.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from benchsuite.plugin import Batch, Network, Rule, RuleConfig, StepResult, hookimpl
from benchsuite_rules.backprop import Backprop

BENCHSUITE_CONTRACT = 1
FOLDER = Path(os.environ["HOSTILE_FOLDER"])
BAD_STEP = 8
"""In the second epoch of six steps each, so that a checkpoint of the first exists."""
HANG_S = 60.0
"""Far beyond the time limit, but not for ever: a test fails where nothing holds the limit."""

print("printed while a plugin is imported")
os.write(1, b"written to file descriptor 1 while a plugin is imported\n")
torch.set_default_dtype(torch.float64)
torch.set_num_threads(7)


class Hostile(Backprop):
    """A rule that misbehaves in one step, also when it is resumed before that step."""

    def __init__(self, config: RuleConfig | None = None) -> None:
        super().__init__(config)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def assign_credit(self, batch: Batch) -> StepResult:
        result = super().assign_credit(batch)
        if self.network.training:
            self.steps += 1
            if int(self.steps) == BAD_STEP:
                self.misbehave()
        return result

    def misbehave(self) -> None:
        """Do what a rule must not do."""

    def attempts(self) -> int:
        """Return how many processes have come here with this rule."""
        with (FOLDER / self.name).open("a") as stream:
            stream.write(".")
        return len((FOLDER / self.name).read_text())


class Aborts(Hostile):
    name = "h_aborts"

    def misbehave(self) -> None:
        self.attempts()
        print("the last words of a rule")
        sys.stdout.flush()
        os._exit(0)


class Exits(Hostile):
    name = "h_exits"

    def misbehave(self) -> None:
        self.attempts()
        sys.exit(0)


class Flags(Hostile):
    name = "h_flags"

    def misbehave(self) -> None:
        torch.set_default_dtype(torch.bfloat16)
        torch.set_grad_enabled(False)
        torch.set_num_threads(5)
        torch.manual_seed(0)
        torch.use_deterministic_algorithms(True)
        os.environ["BENCHSUITE_STORE"] = "/nowhere"
        os.chdir("/")
        Backprop.assign_credit = None  # type: ignore[assignment,method-assign]


class Hangs(Hostile):
    name = "h_hangs"

    def misbehave(self) -> None:
        time.sleep(HANG_S)
        self.attempts()  # nobody has stopped it


class HangsInAttach(Hostile):
    name = "h_hangs_in_attach"

    def attach(self, network: Network, generator: torch.Generator) -> None:
        super().attach(network, generator)
        time.sleep(HANG_S)
        self.attempts()


class HangsInDiagnostic(Hostile):
    name = "h_hangs_in_diagnostic"

    def assign_credit(self, batch: Batch) -> StepResult:
        if not self.network.training and int(self.steps):
            time.sleep(HANG_S)
            self.attempts()
        return super().assign_credit(batch)


class HangsInEvaluation(Hostile):
    name = "h_hangs_in_evaluation"

    def attach(self, network: Network, generator: torch.Generator) -> None:
        super().attach(network, generator)
        network.register_forward_pre_hook(self.hang)

    def hang(self, network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if not network.training and not torch.is_grad_enabled():
            time.sleep(HANG_S)
            self.attempts()


class KilledOnce(Hostile):
    name = "h_killed_once"

    def misbehave(self) -> None:
        if self.attempts() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class Leaks(Hostile):
    name = "h_leaks"
    leaked: list[torch.Tensor] = []  # noqa: RUF012 - shared, as a leak is

    def misbehave(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (256 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        while True:
            self.leaked.append(torch.zeros(8 << 20))


class Lingers(Hostile):
    name = "h_lingers"

    def misbehave(self) -> None:
        threading.Thread(target=time.sleep, args=(3600,)).start()


class Prints(Hostile):
    name = "h_prints"

    def misbehave(self) -> None:
        print("printed in a step")
        os.write(1, b"written to file descriptor 1 in a step\n")


class RandomA(Hostile):
    name = "h_random_a"

    def assign_credit(self, batch: Batch) -> StepResult:
        result = super().assign_credit(batch)
        for parameter in self.network.parameters():
            parameter.grad = torch.randn(parameter.shape, dtype=parameter.dtype)
        return result


class RandomB(RandomA):
    name = "h_random_b"


class Segfaults(Hostile):
    name = "h_segfaults"

    def misbehave(self) -> None:
        self.attempts()
        ctypes.string_at(0)


class Stuck(Hostile):
    name = "h_stuck"

    def misbehave(self) -> None:
        end = time.monotonic() + HANG_S
        while time.monotonic() < end:
            try:
                time.sleep(1)
            except BaseException:  # noqa: S112 - the misdeed
                continue
        self.attempts()


class Targets(Hostile):
    name = "h_targets"

    def assign_credit(self, batch: Batch) -> StepResult:
        result = super().assign_credit(batch)
        batch.targets.copy_(result.logits.argmax(1))
        batch.inputs.detach().zero_()
        return result


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rules of this module."""
    return [
        Aborts,
        Exits,
        Flags,
        Hangs,
        HangsInAttach,
        HangsInDiagnostic,
        HangsInEvaluation,
        KilledOnce,
        Leaks,
        Lingers,
        Prints,
        RandomA,
        RandomB,
        Segfaults,
        Stuck,
        Targets,
    ]
