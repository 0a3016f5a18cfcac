"""Break the code in one-line ways and see that a test notices each.

    python scripts/mutate.py [NAME …]

Works on a copy of the checkout in a temporary folder. Exits with 1 if a sabotage survives, or no longer fits the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("benchsuite", "benchmarks", "plugins", "leaderboard", "specs", "tests", "pyproject.toml")


@dataclass(frozen=True)
class Sabotage:
    """One line made wrong, and the tests that should notice."""

    name: str
    file: str
    line: str
    broken: str
    tests: str


SABOTAGES = (
    Sabotage(
        "a schedule forgets the feedback weights' own rate", "benchsuite/harness/optimization.py",
        'learning_rate * group["rate"]', "learning_rate", "tests/harness",
    ),
    Sabotage(
        "torch chooses how an optimizer loops", "benchsuite/harness/optimization.py",
        'in FUSED_DEVICES, "foreach": False}', 'in (), "foreach": True}', "tests/properties/test_learned_feedback.py",
    ),
    Sabotage(
        "only the forward weights decay", "plugins/benchsuite_rules/kolen_pollack.py",
        "feedback_weight.mul_(1 - self.config.decay)", "feedback_weight.mul_(1)",
        "tests/properties/test_learned_feedback.py",
    ),
    Sabotage(
        "a rule's own stream starts anew on resume", "benchsuite/credit/stream.py",
        "self._generator.set_state(self._state)", "pass", "tests/harness/test_learned_feedback.py",
    ),
    Sabotage(
        "test error measured on the training set", "benchsuite/harness/run.py",
        'trainer.evaluate("test") if due', 'trainer.evaluate("train") if due', "tests/harness",
    ),
    Sabotage(
        "the seed is ignored", "benchsuite/harness/seeds.py",
        'f"benchsuite/{axis}/{seed}"', 'f"benchsuite/{axis}/0"', "tests/harness",
    ),
    Sabotage(
        "all streams are one", "benchsuite/harness/seeds.py",
        'f"benchsuite/{axis}/{seed}"', 'f"benchsuite/{seed}"', "tests/harness",
    ),
    Sabotage(
        "a diverged run is dropped from its row", "leaderboard/benchsuite_leaderboard/rows.py",
        "total=len(latest)", "total=len(counted)", "tests/leaderboard",
    ),
    Sabotage(
        "divergence is not noticed", "benchsuite/harness/run.py",
        "if metrics.running_loss is None:", "if False:", "tests/harness",
    ),
    Sabotage(
        "the feedback weight is not used", "benchsuite/network/maps/linear_map.py",
        "if self.feedback_weight is None:", "if True:", "tests/properties tests/rules",
    ),
    Sabotage(
        "credit flows between segments", "benchsuite/credit/tape.py",
        "return output.detach()", "return output", "tests/properties tests/rules",
    ),
    Sabotage(
        "DFA shares trailing columns", "plugins/benchsuite_rules/direct_feedback_alignment.py",
        "starts = [0 if shared", "starts = [max(units.values()) - list(units.values())[i] if shared",
        "tests/properties",
    ),
    Sabotage(
        "the error is not divided by the batch", "benchsuite/network/criterion.py",
        "return loss, error.div_(len(targets))", "return loss, error", "tests/properties tests/rules",
    ),
    Sabotage(
        "a resumed run forgets the data order", "benchsuite/harness/trainer.py",
        'self.order.set_state(state["order"])', "pass", "tests/harness",
    ),
    Sabotage(
        "a resumed run forgets the optimizer", "benchsuite/harness/trainer.py",
        'self.optimizer.load_state_dict(state["optimizer"])', "pass", "tests/harness",
    ),
    Sabotage(
        "evaluation leaves dropout on", "benchsuite/harness/trainer.py",
        "        self.network.eval()\n        size", "        size", "tests/harness",
    ),
    Sabotage(
        "a crash leaves no record", "benchsuite/harness/run.py",
        "record = self._record_of_failure(error)", "raise", "tests/harness",
    ),
    Sabotage(
        "prose changes the hash", "benchsuite/spec/hashing.py",
        'plain = strip_documentation(spec.model_dump(mode="json"))', 'plain = spec.model_dump(mode="json")',
        "tests/spec",
    ),
    Sabotage(
        "the last batch is lost", "benchsuite/harness/trainer.py",
        "return full + (1 if rest and", "return full + (0 if rest and", "tests/harness",
    ),
    Sabotage(
        "the angle is taken over the whole batch", "benchsuite/diagnostics/credit_angle.py",
        "(t.flatten(1).double() * len(t) for t in", "(t.flatten().unsqueeze(0).double() * len(t) for t in",
        "tests/diagnostics",
    ),
    Sabotage(
        "the constraint is forgotten", "benchsuite/harness/trainer.py",
        "self.network.constrain()", "pass", "tests/harness/test_nonnegative.py",
    ),
    Sabotage(
        "weights that read the data are clamped too", "benchsuite/network/network.py",
        "[self.maps[name].weight for name in self.credit_senders]", "[m.weight for m in self.maps.values()]",
        "tests/network/test_vectorized_network.py",
    ),
    Sabotage(
        "ON and OFF do not inhibit each other", "benchsuite/network/initialization.py",
        "unfolded[1::2, 0::2], unfolded[1::2, 1::2] = off[: outputs // 2], on[: outputs // 2]",
        "unfolded[1::2, 0::2], unfolded[1::2, 1::2] = on[: outputs // 2], off[: outputs // 2]",
        "tests/properties/test_gevb_theory.py",
    ),
    Sabotage(
        "pairs are drawn for the whole fan-in", "benchsuite/network/initialization.py",
        "linear_map.fan_in // 2 if halved", "linear_map.fan_in if halved", "tests/network/test_vectorized_network.py",
    ),
    Sabotage(
        "gating vectors come in two halves", "benchsuite/network/vector_segment.py",
        "torch.stack([signs, -signs], dim=1).view(channels, components)", "torch.cat([signs, -signs])",
        "tests/properties/test_gevb_theory.py",
    ),
    Sabotage(
        "each component has a gate of its own", "benchsuite/network/vector_segment.py",
        "pre_activation.mul_(gate.unsqueeze(1))", "pre_activation.clamp_min_(0)", "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "credit skips the gate", "benchsuite/credit/vector_tape.py",
        "return (credit if gate is None else credit * gate)", "return credit", "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "credit is lost at a shortcut", "benchsuite/credit/vector_tape.py",
        "waiting[source] = waiting[source] + part if source in waiting else part", "waiting[source] = part",
        "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "vector feedback goes through the forward weight", "benchsuite/credit/vector_tape.py",
        "feedback_weights.get(name, node.map.weight)", "node.map.weight", "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "codes are compared in narrow numbers", "benchsuite/credit/vector_tape.py",
        "        logits = network.decode(", "            logits = network.decode(",
        "tests/network/test_vectorized_network.py",
    ),
)  # fmt: skip


def survives(sabotage: Sabotage, copy: Path) -> str | None:
    """Apply a sabotage to a copy and run its tests; returns why it counts as a survivor, or None if it was caught."""
    target = copy / sabotage.file
    original = target.read_text(encoding="utf-8")
    if original.count(sabotage.line) < 1:
        return "does not fit the code any more"
    target.write_text(original.replace(sabotage.line, sabotage.broken), encoding="utf-8")
    try:
        paths = os.pathsep.join(str(copy / part) for part in (".", "plugins", "leaderboard"))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *sabotage.tests.split()],
            cwd=copy, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return "no test failed" if done.returncode == 0 else None
    finally:
        target.write_text(original, encoding="utf-8")


def main() -> int:
    """Run all sabotages, or those named, and say which survive."""
    chosen = [s for s in SABOTAGES if not sys.argv[1:] or any(word in s.name for word in sys.argv[1:])]
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__", "records"))
            else:
                shutil.copy(source, copy / part)
        for sabotage in chosen:
            why = survives(sabotage, copy)
            print(f"{'SURVIVES' if why else 'caught  '}  {sabotage.name}{f': {why}' if why else ''}", flush=True)
            failures += why is not None
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
