"""Break the code in one-line ways and see that a test notices each.

    python scripts/mutate.py [--jobs N] [--timeout SECONDS] [NAME …]

Works on copies of the checkout in a temporary folder. Runs all named tests on the sound code first, then those of each
sabotage up to the first failure. Exits with 1 if a sabotage survives, or no longer fits the code. All of them take
about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = ("benchsuite", "benchmarks", "plugins", "leaderboard", "specs", "tests", "pyproject.toml")
PASSED = 0
CAUGHT = {1, 2}
"""pytest's exit codes when a test fails, and when the broken code cannot even be imported."""
BASELINE_TIMEOUT_S = 1800.0


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
        "the kit does not disturb global streams before it looks",
        "benchsuite/conformance/kit/guards.py",
        "        torch.rand(1)\n        random.random()",
        "        random.random()",
        "tests/conformance/kit/test_kit_catches.py",
    ),
    Sabotage(
        "the kit does not look for replaced methods",
        "benchsuite/conformance/kit/guards.py",
        'found |= _methods(name or "the network", module)',
        "pass",
        "tests/conformance/kit/test_kit_catches.py",
    ),
    Sabotage(
        "a network that attach refuses counts as a crash in the audit",
        "benchsuite/conformance/audit/trait_test.py",
        "except IncompatibleError as error:",
        "except NotImplementedError as error:",
        "tests/conformance/audit/test_built_in_rules.py",
    ),
    Sabotage(
        "a plugin may take a built-in rule's name",
        "benchsuite/registry/manager.py",
        "if owner and owner.is_builtin:",
        "if owner and False:",
        "tests/registry/test_manager.py",
    ),
    Sabotage(
        "a plugin's KeyboardInterrupt stops the command",
        "benchsuite/registry/manager.py",
        "            if stop.came:\n                raise\n            reason",
        "            if stop.came or isinstance(error, KeyboardInterrupt):\n                raise\n            reason",
        "tests/registry/test_manager.py",
    ),
    Sabotage(
        "a diagnostic that fails ends the run",
        "benchsuite/execution/diagnostics_schedule.py",
        "if not _is_its_own(error):",
        "if True:",
        "tests/execution/test_hostile_plugins.py",
    ),
    Sabotage(
        "one wrong claim removes all claims",
        "benchsuite/specs/loading/read_all.py",
        "        if warn is None:\n            raise",
        "        raise",
        "tests/cli/test_broken_papers.py",
    ),
    Sabotage(
        "a helper beside the rule is left out of its key",
        "benchsuite/registry/sources.py",
        "self._add_files(unit.files(), unit)",
        "self._add_files([unit.entry], unit)",
        "tests/registry/test_sources.py",
    ),
    Sabotage(
        "local modules that a rule imports are left out of its key",
        "benchsuite/registry/sources.py",
        "self._waiting += ((each, False) for each in imports)",
        "pass",
        "tests/registry/test_sources.py",
    ),
    Sabotage(
        "a plugin's network, data and diagnostics are left out of the key",
        "benchsuite/records/keys.py",
        'parts["plugins"] = environment.plugin_source_hashes',
        "pass",
        "tests/registry/test_sources.py",
    ),
    Sabotage(
        "a shortcut starts one layer late",
        "benchsuite/networks/shapes/infer.py",
        "return self.written[-layer.reads]",
        "return self.written[-1]",
        "tests/networks/test_skips.py",
    ),
    Sabotage(
        "a nonlinearity overwrites what others read",
        "benchsuite/networks/builder.py",
        "for sources in plan.sources) == 1",
        "for sources in plan.sources) >= 1",
        "tests/networks/test_skips.py",
    ),
    Sabotage(
        "a forward pass holds on to everything",
        "benchsuite/networks/network.py",
        "                del values[source]",
        "                pass",
        "tests/networks/test_skips.py",
    ),
    Sabotage(
        "the ReLU of a block stands before its sum",
        "benchsuite/networks/resnet.py",
        'last = {"activation": "identity"} if summed_first else {}',
        "last = {}",
        "tests/networks/test_resnet.py",
    ),
    Sabotage(
        "a link between segments keeps the graph of the segment below",
        "benchsuite/credit/tape.py",
        "passed_on = output.detach()",
        "passed_on = output",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "an adopted conv forgets its groups",
        "benchsuite/networks/adoption.py",
        '"groups": layer.groups',
        '"groups": 1',
        "tests/properties/test_conv_geometries.py",
    ),
    Sabotage(
        "a trial batch moves running averages",
        "benchsuite/networks/shapes/module_trace.py",
        "buffer.copy_(buffers[name])",
        "pass",
        "tests/networks/test_adoption.py",
    ),
    Sabotage(
        "attention learns by backprop unasked",
        "benchsuite/networks/adoption.py",
        'if strange and unconverted == "refuse":',
        "if False:",
        "tests/networks/test_adoption.py",
    ),
    Sabotage(
        "the fused backward exchanges height and width",
        "benchsuite/networks/maps/conv2d.py",
        "list(_pair(size)) for size",
        "list(_pair(size))[::-1] for size",
        "tests/properties/test_conv_geometries.py",
    ),
    Sabotage(
        "a schedule forgets the feedback weights' own rate",
        "benchsuite/training/optimization.py",
        'learning_rate * group["rate"]',
        "learning_rate",
        "tests/training/test_learned_feedback.py",
    ),
    Sabotage(
        "torch chooses how an optimizer loops",
        "benchsuite/training/optimization.py",
        'in FUSED_DEVICES, "foreach": False}',
        'in (), "foreach": True}',
        "tests/properties/test_learned_feedback.py",
    ),
    Sabotage(
        "only the forward weights decay",
        "plugins/benchsuite_rules/kolen_pollack.py",
        "return [*forward, *self.feedback.by_segment.values()]",
        "return forward",
        "tests/properties/test_learned_feedback.py",
    ),
    Sabotage(
        "weights decay after the step whatever is asked for",
        "plugins/benchsuite_rules/kolen_pollack.py",
        'if self.config.order == "step_first":',
        "if True:",
        "tests/properties/test_learned_feedback.py",
    ),
    Sabotage(
        "filters that all positions share get the error at one of them",
        "plugins/benchsuite_rules/leaky_direct_feedback_alignment.py",
        "copied = error.view(*error.shape, *[1] * len(places)).expand(*error.shape, *places)",
        "copied = torch.eye(math.prod(places) or 1)[0].view(places).to(error) * error.view(*error.shape, "
        "*[1] * len(places))",
        "tests/properties/test_leaky_direct_feedback.py",
    ),
    Sabotage(
        "norm control forgets to decay",
        "plugins/benchsuite_rules/weight_mirror.py",
        "feedback_weight.mul_(1 - config.decay)",
        "pass",
        "tests/properties/test_weight_mirror.py",
    ),
    Sabotage(
        "bias blocking blocks nothing",
        "plugins/benchsuite_rules/weight_mirror.py",
        "with_bias=not config.bias_blocking",
        "with_bias=True",
        "tests/properties/test_weight_mirror.py",
    ),
    Sabotage(
        "noise moves batch norm's running averages",
        "benchsuite/networks/segments.py",
        "F.batch_norm(values, None, None,",
        "F.batch_norm(values, self.norm.running_mean, self.norm.running_var,",
        "tests/properties/test_weight_mirror.py",
    ),
    Sabotage(
        "what is kept of a pretraining goes on learning",
        "benchsuite/training/build_trainer.py",
        "network.freeze(pretrained or ())",
        "pass",
        "tests/training/test_pretraining.py",
    ),
    Sabotage(
        "a frozen segment's norm goes on averaging",
        "benchsuite/networks/segments.py",
        "self.norm.eval()",
        "pass",
        "tests/training/test_pretraining.py",
    ),
    Sabotage(
        "a frozen segment decays",
        "plugins/benchsuite_rules/kolen_pollack.py",
        "if each.weight.requires_grad]",
        "]",
        "tests/training/test_pretraining.py",
    ),
    Sabotage(
        "the first training draws what the second draws",
        "benchsuite/training/pretraining.py",
        'stage="pretraining"',
        'stage=""',
        "tests/training/test_pretraining.py",
    ),
    Sabotage(
        "the nonnegative constraint is forgotten",
        "benchsuite/training/step.py",
        "network.constrain()",
        "pass",
        "tests/training/test_nonnegative.py",
    ),
    Sabotage(
        "a resumed run begins anew",
        "benchsuite/execution/training_loop.py",
        "    if trainer.epoch == 0:",
        "    if True:",
        "tests/training/test_before_training.py",
    ),
    Sabotage(
        "a half-width is taken for a standard deviation",
        "benchsuite/credit/drawing.py",
        "scale_of(linear_map, drawing.half_width) if",
        "scale_of(linear_map, drawing.half_width) * 3**0.5 if",
        "tests/properties/test_drawn_feedback.py",
    ),
    Sabotage(
        "a kind of map's own draw is ignored",
        "benchsuite/credit/drawing.py",
        "own = self.by_map.get(kind, Drawing())",
        "own = Drawing()",
        "tests/properties/test_drawn_feedback.py",
    ),
    Sabotage(
        "a rule's own stream starts anew on resume",
        "benchsuite/credit/stream.py",
        "self._generator.set_state(self._state)",
        "pass",
        "tests/training/test_learned_feedback.py",
    ),
    Sabotage(
        "test error measured on the training set",
        "benchsuite/execution/measuring.py",
        'trainer.evaluate("test") if due',
        'trainer.evaluate("train") if due',
        "tests/execution/test_run.py",
    ),
    Sabotage(
        "feedback follows at full rate whatever ε",
        "benchsuite/credit/learned.py",
        "LearnedFeedback(weight, rate) for",
        "LearnedFeedback(weight, 1.0) for",
        "tests/properties/test_linear_dynamics.py",
    ),
    Sabotage(
        "the flow's step forgets that criteria are means",
        "benchsuite/studies/linear_dynamics/network.py",
        "learning_rate=step_size * len(target)",
        "learning_rate=step_size",
        "tests/properties/test_linear_dynamics.py",
    ),
    Sabotage(
        "a study of other seeds is taken for this one",
        "benchsuite/specs/hashing.py",
        'canonical_json(strip_documentation(spec.model_dump(mode="json")))',
        'canonical_json(strip_documentation(spec.model_dump(mode="json", exclude={"seeds"})))',
        "tests/studies/test_execute.py",
    ),
    Sabotage(
        "a study of a changed plugin is taken for today's",
        "benchsuite/records/keys.py",
        "[code.distribution, code.source_hash]",
        "[code.distribution]",
        "tests/studies/test_plugin.py",
    ),
    Sabotage(
        "a study's result is drawn without the check of its kind",
        "benchsuite/studies/checking.py",
        ', *(f"result: {each}" for each in study.problems(result))]',
        "]",
        "tests/studies/test_execute.py",
    ),
    Sabotage(
        "spec files do not know the kinds of studies of plugins",
        "benchsuite/specs/loading/kinds.py",
        '{"studies": frozenset(studies)}',
        '{"studies": frozenset()}',
        "tests/studies/test_plugin.py",
    ),
    Sabotage(
        "the studies of an older store are lost",
        "benchsuite/records/store.py",
        'FOLDERS_OF_STUDIES = (STUDIES, "experiments")',
        "FOLDERS_OF_STUDIES = (STUDIES,)",
        "tests/studies/test_execute.py",
    ),
    Sabotage(
        "an audit of before traits had their name loses what was declared",
        "benchsuite/records/migration.py",
        '"claimed": "declared"',
        '"claimed": "claimed"',
        "tests/records/test_reading.py",
    ),
    Sabotage(
        "a mean leaves out the seed without a value",
        "benchsuite/studies/linear_dynamics/summary.py",
        "if len(found) == len(values) else None",
        "if found else None",
        "tests/leaderboard/test_studies.py",
    ),
    Sabotage(
        "the seed is ignored",
        "benchsuite/specs/seeds.py",
        'f"benchsuite/{stream}/{seed}"',
        'f"benchsuite/{stream}/0"',
        "tests/training/test_trainer.py tests/execution/test_run.py",
    ),
    Sabotage(
        "all streams are one",
        "benchsuite/specs/seeds.py",
        'f"benchsuite/{stream}/{seed}"',
        'f"benchsuite/{seed}"',
        "tests/training/test_trainer.py tests/execution/test_run.py",
    ),
    Sabotage(
        "a diverged run is dropped from its row",
        "benchsuite/results/rows.py",
        "total=len(latest)",
        "total=len(counted)",
        "tests/leaderboard/test_site.py tests/leaderboard/test_matrix.py tests/leaderboard/test_renewal.py",
    ),
    Sabotage(
        "divergence is not noticed",
        "benchsuite/execution/training_loop.py",
        "if metrics.running_loss is None:",
        "if False:",
        "tests/execution/test_run.py",
    ),
    Sabotage(
        "the feedback weight is not used",
        "benchsuite/networks/maps/linear_map.py",
        "if self.feedback_weight is None:",
        "if True:",
        "tests/properties/test_feedback_path.py",
    ),
    Sabotage(
        "credit flows between segments",
        "benchsuite/credit/tape.py",
        "received_here.detach()",
        "received_here",
        "tests/rules/test_conformance.py",
    ),
    Sabotage(
        "DFA shares trailing columns",
        "plugins/benchsuite_rules/direct_feedback_alignment.py",
        "starts = [0 if shared",
        "starts = [max(units.values()) - list(units.values())[i] if shared",
        "tests/properties/test_direct_credit.py",
    ),
    Sabotage(
        "the error is not divided by the batch",
        "benchsuite/networks/criterion.py",
        "return loss, error.div_(len(targets))",
        "return loss, error",
        "tests/properties/test_direct_credit.py tests/properties/test_criteria.py",
    ),
    Sabotage(
        "a resumed run forgets the data order",
        "benchsuite/training/trainer.py",
        'self.order.set_state(state["order"])',
        "pass",
        "tests/training/test_trainer.py tests/execution/test_run.py",
    ),
    Sabotage(
        "a resumed run forgets the optimizer",
        "benchsuite/training/trainer.py",
        'self.optimizer.load_state_dict(state["optimizer"])',
        "pass",
        "tests/training/test_trainer.py tests/execution/test_run.py",
    ),
    Sabotage(
        "evaluation leaves dropout on",
        "benchsuite/training/trainer.py",
        "        self.network.eval()\n        slices_of",
        "        slices_of",
        "tests/training/test_trainer.py",
    ),
    Sabotage(
        "a second signal takes the record of the first",
        "benchsuite/execution/finishing.py",
        "with interruptions_deferred():",
        "if True:",
        "tests/execution/test_interruption.py",
    ),
    Sabotage(
        "a crash leaves no record",
        "benchsuite/execution/run.py",
        "return ending_from_error(error, self.spec.hardware.device), error",
        "raise",
        "tests/execution/test_run.py",
    ),
    Sabotage(
        "prose changes the hash",
        "benchsuite/specs/hashing.py",
        'plain = strip_documentation(spec.model_dump(mode="json"))',
        'plain = spec.model_dump(mode="json")',
        "tests/specs/test_resolve.py tests/specs/test_study.py",
    ),
    Sabotage(
        "the last batch is lost",
        "benchsuite/specs/models/protocol.py",
        "return full + (1 if rest and",
        "return full + (0 if rest and",
        "tests/training/test_trainer.py",
    ),
    Sabotage(
        "the angle is taken over the whole batch",
        "benchsuite/diagnostics/angles.py",
        "(t.flatten(1).double() * len(t) for t in",
        "(t.flatten().unsqueeze(0).double() * len(t) for t in",
        "tests/diagnostics/test_credit_angle.py",
    ),
    Sabotage(
        "one step of credit goes on down the chain",
        "benchsuite/diagnostics/one_step_credit_angle.py",
        "return cut[name].clone()",
        "return output",
        "tests/diagnostics/test_one_step_credit_angle.py",
    ),
    Sabotage(
        "a correlation is not centred",
        "benchsuite/diagnostics/feedback_agreement.py",
        "(one - one.mean()) @ (two - two.mean())",
        "one @ two",
        "tests/diagnostics/test_feedback_agreement.py",
    ),
    Sabotage(
        "a cut connection counts as of unequal sign",
        "benchsuite/diagnostics/feedback_agreement.py",
        "present = signs != 0",
        "present = signs == signs",
        "tests/diagnostics/test_feedback_agreement.py",
    ),
    Sabotage(
        "what is not trained is left out of the network's update",
        "benchsuite/diagnostics/update_angle.py",
        "torch.zeros_like(gradient) for name",
        "gradient for name",
        "tests/diagnostics/test_update_angle.py",
    ),
    Sabotage(
        "a diagnostic leaves gradients on feedback weights",
        "benchsuite/diagnostics/observe.py",
        "*rule.parameters(), *rule.buffers()]",
        "*rule.parameters()]",
        "tests/diagnostics/test_leave_no_trace.py",
    ),
    Sabotage(
        "a pickle is loaded whatever its checksum",
        "benchsuite/data/fetching.py",
        "        if wrong:",
        "        if False:",
        "tests/data/test_cifar.py",
    ),
    Sabotage(
        "any published checksum will do",
        "benchsuite/data/fetching.py",
        "if found == expected:",
        'if f"{algorithm}:{found}" in self.checksums.values():',
        "tests/data/test_cifar.py",
    ),
    Sabotage(
        "CIFAR's images are channels last",
        "benchsuite/data/cifar/reader.py",
        "joined.reshape(-1, 3, 32, 32)",
        "joined.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)",
        "tests/data/test_cifar.py",
    ),
    Sabotage(
        "a prepared folder appears before it is whole",
        "benchsuite/data/prepared/prepare.py",
        'part = folder.with_name(f".{prepared.name}.part")',
        "part = folder",
        "tests/data/test_prepare.py",
    ),
    Sabotage(
        "any archive is taken for the expected one",
        "benchsuite/data/prepared/prepare.py",
        "if found != prepared.archive_sha256:",
        "if False:",
        "tests/data/test_prepare.py",
    ),
    Sabotage(
        "an archive may write where it likes",
        "benchsuite/data/prepared/prepare.py",
        'filter="data"',
        'filter="fully_trusted"',
        "tests/data/test_prepare.py",
    ),
    Sabotage(
        "packs' checksums are not compared",
        "benchsuite/data/images/store.py",
        "if known is not None and _sha256(",
        "if known is None and _sha256(",
        "tests/data/test_image_store.py",
    ),
    Sabotage(
        "a device decodes before it is waited for",
        "benchsuite/data/images/device_decoding.py",
        "    torch.cuda.current_stream(device).synchronize()\n",
        "",
        "tests/data/test_device_decoding.py",
    ),
    Sabotage(
        "what the host decodes swaps places with what a device does",
        "benchsuite/data/images/device_decoding.py",
        "dict(zip(own, decoded, strict=True))",
        "dict(enumerate(decoded))",
        "tests/data/test_device_decoding.py",
    ),
    Sabotage(
        "the order is drawn although it is fixed",
        "benchsuite/training/trainer.py",
        'if self.protocol.order == "fixed":',
        "if False:",
        "tests/training/test_trainer.py",
    ),
    Sabotage(
        "a tier's settings of a rule are forgotten",
        "benchsuite/specs/loading/resolve.py",
        "return below.merged(above) if below and above else above or below",
        "return below or above",
        "tests/specs/test_resolve.py",
    ),
    Sabotage(
        "the optimizer's state for feedback is not counted",
        "benchsuite/execution/estimate.py",
        "(1 + copies * rule.traits.learns_feedback)",
        "1",
        "tests/execution/test_estimate.py",
    ),
    Sabotage(
        "biases stay at zero where they are drawn",
        "benchsuite/networks/initialization.py",
        'if how.bias == "as_weight":',
        "if False:",
        "tests/properties/test_initialization.py",
    ),
    Sabotage(
        "binary cross-entropy's error is softmax's",
        "benchsuite/networks/criterion.py",
        "error = logits.sigmoid()",
        "error = logits.softmax(1)",
        "tests/properties/test_criteria.py",
    ),
    Sabotage(
        "the data set's spec does not part tables",
        "benchsuite/results/grouping.py",
        "canonical(plain(spec.dataset)), canonical(plain(spec.architecture))",
        '"", canonical(plain(spec.architecture))',
        "tests/results/test_tables.py",
    ),
    Sabotage(
        "JPEG images pass for CIFAR-10",
        "specs/tracks/cifar10-jpeg75-simpnet.yaml",
        "dataset: cifar10-jpeg75-45k",
        "dataset: cifar10-45k",
        "tests/execution/test_builtin_specs.py",
    ),
    Sabotage(
        "every rule of a suite runs on every track of it",
        "benchsuite/specs/loading/resolve.py",
        "if rule in here or rule not in own]",
        "]",
        "tests/specs/test_suites.py",
    ),
    Sabotage(
        "a published value stands beside rows of other conditions",
        "benchsuite/results/grouping.py",
        "spec.architecture, spec.protocol, spec.pretraining",
        "spec.architecture, spec.pretraining",
        "tests/papers/test_published.py",
    ),
    Sabotage(
        "a published number is copied wrongly",
        "specs/reference/gevb-tables.yaml",
        "value: 33.74",
        "value: 37.34",
        "tests/specs/test_reference.py",
    ),
    Sabotage(
        "nonnegative networks get feedback of both signs",
        "specs/tracks/cifar10-lc-conventional-nonnegative.yaml",
        "sign: nonnegative",
        "sign: mixed",
        "tests/execution/test_builtin_specs.py",
    ),
    Sabotage(
        "the constraint is forgotten",
        "benchsuite/training/step.py",
        "network.constrain()",
        "pass",
        "tests/training/test_nonnegative.py",
    ),
    Sabotage(
        "weights that read the data are clamped too",
        "benchsuite/networks/network.py",
        "[self.maps[name].weight for name in self.credit_senders]",
        "[m.weight for m in self.maps.values()]",
        "tests/networks/test_vectorized_network.py",
    ),
    Sabotage(
        "ON and OFF do not inhibit each other",
        "benchsuite/networks/initialization.py",
        "unfolded[1::2, 0::2], unfolded[1::2, 1::2] = off[: outputs // 2], on[: outputs // 2]",
        "unfolded[1::2, 0::2], unfolded[1::2, 1::2] = on[: outputs // 2], off[: outputs // 2]",
        "tests/properties/test_gevb_theory.py",
    ),
    Sabotage(
        "pairs are drawn for the whole fan-in",
        "benchsuite/networks/initialization.py",
        "linear_map.fan_in // 2 if halved",
        "linear_map.fan_in if halved",
        "tests/networks/test_vectorized_network.py",
    ),
    Sabotage(
        "gating vectors come in two halves",
        "benchsuite/networks/vector_segment.py",
        "torch.stack([signs, -signs], dim=1).view(channels, components)",
        "torch.cat([signs, -signs])",
        "tests/properties/test_gevb_theory.py",
    ),
    Sabotage(
        "each component has a gate of its own",
        "benchsuite/networks/vector_segment.py",
        "pre_activation.mul_(gate.unsqueeze(1))",
        "pre_activation.clamp_min_(0)",
        "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "credit skips the gate",
        "benchsuite/credit/vector_tape.py",
        "return (credit if gate is None else credit * gate)",
        "return credit",
        "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "credit is lost at a shortcut",
        "benchsuite/credit/vector_tape.py",
        "waiting[source] = waiting[source] + part if source in waiting else part",
        "waiting[source] = part",
        "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "vector feedback goes through the forward weight",
        "benchsuite/credit/vector_tape.py",
        "feedback_weights.get(name, node.map.weight)",
        "node.map.weight",
        "tests/properties/test_vectorized.py",
    ),
    Sabotage(
        "codes are compared in narrow numbers",
        "benchsuite/credit/vector_tape.py",
        "        logits = network.decode(",
        "            logits = network.decode(",
        "tests/networks/test_vectorized_network.py",
    ),
    Sabotage(
        "dropout is drawn anew under noise",
        "plugins/benchsuite_rules/node_perturbation.py",
        "with self.network.repeated():",
        "with torch.enable_grad():",
        "tests/properties/test_node_perturbation.py",
    ),
    Sabotage(
        "noise follows the mean loss",
        "plugins/benchsuite_rules/node_perturbation.py",
        "return batch.criterion.per_example(logits, batch.targets)",
        "return batch.criterion(logits, batch.targets).expand(len(batch.targets))",
        "tests/properties/test_node_perturbation.py",
    ),
    Sabotage(
        "evaluation draws from a rule's stream",
        "plugins/benchsuite_rules/node_perturbation.py",
        "if self.training else self.stream.ahead(device)",
        "if True else self.stream.ahead(device)",
        "tests/properties/test_node_perturbation.py",
    ),
    Sabotage(
        "signs of a batch pass for those of its examples",
        "benchsuite/diagnostics/update_sign_agreement.py",
        "slice(position, position + 1)",
        "slice(0, None)",
        "tests/diagnostics/test_update_sign_agreement.py",
    ),
    Sabotage(
        "cluster quality takes the root after the mean over classes",
        "benchsuite/diagnostics/cluster_quality.py",
        "np.sqrt(within).mean()",
        "np.sqrt(within.mean())",
        "tests/diagnostics/test_cluster_quality.py",
    ),
    Sabotage(
        "an expensive diagnostic is measured all the time",
        "benchsuite/execution/diagnostics_schedule.py",
        "if at_an_end or not kind.only_at_ends",
        "if True",
        "tests/execution/test_expensive_diagnostics.py",
    ),
    Sabotage(
        "the audit leaves the weight as it is",
        "benchsuite/conformance/audit/equal_response_weights.py",
        "own.copy_(weight)",
        "own.copy_(before)",
        "tests/conformance/audit/test_held_responses.py",
    ),
    Sabotage(
        "the audit lets responses change with the weight",
        "benchsuite/conformance/audit/equal_response_weights.py",
        "held: Tensor = apply_weight(inputs, before, bias).detach()",
        "held = through_given.detach()",
        "tests/conformance/audit/test_held_responses.py",
    ),
    Sabotage(
        "the audit counts no pass before training",
        "benchsuite/conformance/audit/separate_phase.py",
        'note("attach and before_training", calls, due=0)',
        "pass",
        "tests/conformance/audit/test_other_traits.py",
    ),
    Sabotage(
        "an error in two patterns passes for one",
        "benchsuite/conformance/audit/unit_specific_feedback.py",
        "return 1.0",
        "return 0.0",
        "tests/conformance/audit/test_unit_specific_feedback.py",
    ),
    Sabotage(
        "a contradicted trait is called one that could be stronger",
        "benchsuite/conformance/audit/trait_test.py",
        "declared == self.weaker",
        "declared != self.weaker",
        "tests/conformance/audit/test_other_traits.py",
    ),
    Sabotage(
        "what patches share is divided among them",
        "benchsuite/networks/maps/factorization.py",
        "return summed.addcmul_(surplus, forward_inputs.to(summed.dtype), value=-1)",
        "return summed / (surplus + 1)",
        "tests/properties/test_inverses.py",
    ),
    Sabotage(
        "the scale of targets is not divided out",
        "benchsuite/credit/targets.py",
        "scale = scale * factor",
        "scale = 1.0",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "a difference keeps its slope beyond the kink",
        "benchsuite/networks/nonlinearity.py",
        "return torch.where(is_above, near + beyond / slope, near / slope + beyond)",
        "return torch.where(is_above, difference, difference / slope)",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "a difference is an activation minus its target after all",
        "benchsuite/credit/targets.py",
        "if carries_differences:",
        "if False:",
        "tests/fidelity/test_gait_angles.py",
    ),
    Sabotage(
        "a rule runs in a number format that decides its credit",
        "benchsuite/execution/compatibility.py",
        "if FORMATS.index(precision) >= FORMATS.index(traits.min_precision):",
        "if True:",
        "tests/execution/test_refusals.py",
    ),
    Sabotage(
        "a last batch of one is planned under batch norm",
        "benchsuite/execution/compatibility.py",
        "                require_batches_for_norms(spec, found, data.train_examples)\n",
        "",
        "tests/execution/test_refusals.py",
    ),
    Sabotage(
        "a precision audit trusts float64",
        "benchsuite/conformance/audit/precision.py",
        "        _round_once(network)\n",
        "",
        "tests/conformance/audit/test_precision.py",
    ),
    Sabotage(
        "the same noise is another in float64",
        "benchsuite/credit/stream.py",
        "dtype = torch.float32 if like.dtype == torch.float64 else like.dtype",
        "dtype = like.dtype",
        "tests/conformance/audit/test_precision.py",
    ),
    Sabotage(
        "targets are precise and activations are not",
        "benchsuite/credit/targets.py",
        "was_exact = all(output.dtype == precision for output in tape.outputs.values())",
        "was_exact = True\n    if precision == torch.float64:\n        return Activity(*({n: v.to(precision) for n, v "
        "in d.items()} for d in (tape.inputs, tape.outputs)))",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "targets in float32 have activations of TF32",
        "benchsuite/credit/targets.py",
        "if was_exact and not tf32_is_allowed(batch.inputs.device):",
        "if was_exact:",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "a singular value of rounding is taken for another",
        "benchsuite/networks/maps/factorization.py",
        "once = self.solve_columns(start[:, None])",
        "once = start[:, None]",
        "tests/properties/test_inverses.py",
    ),
    Sabotage(
        "gradients are taken in the order of memory",
        "benchsuite/training/step.py",
        '    match_gradient_layouts(weight for group in optimizer.param_groups for weight in group["params"])',
        "    pass",
        "tests/training/test_memory_format.py",
    ),
    Sabotage(
        "channels last takes feedback weights from the optimizer",
        "benchsuite/training/trainer.py",
        "                if tensor.dim() == 4:",
        "                if module.to(memory_format=form) is None:",
        "tests/training/test_memory_format.py",
    ),
    Sabotage(
        "what a rule changed after it was sent is not sent again",
        "benchsuite/training/gradient_averaging.py",
        "bucket.is_late = not bucket.is_as_sent",
        "bucket.is_late = False",
        "tests/training/test_ranks.py",
    ),
    Sabotage(
        "all segments are called singular",
        "benchsuite/credit/targets.py",
        "self.singular |= singular & ~self.singular.any()",
        "self.singular |= singular",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "a singular matrix is a loss that is not finite",
        "benchsuite/execution/training_loop.py",
        "    trainer.rule.after_epoch()\n    if metrics",
        "    if metrics",
        "tests/training/test_orthogonality.py",
    ),
    Sabotage(
        "the regulariser moves learned feedback too",
        "benchsuite/training/orthogonality.py",
        "linear_map.weight.grad = gradient.view_as(linear_map.weight)",
        "linear_map.weight.grad.copy_(gradient.view_as(linear_map.weight))",
        "tests/training/test_orthogonality.py",
    ),
    Sabotage(
        "the regulariser is forgotten",
        "benchsuite/training/step.py",
        "if orthogonality is not None:",
        "if False:",
        "tests/training/test_orthogonality.py",
    ),
    Sabotage(
        "auxiliary units are read",
        "benchsuite/networks/segments.py",
        "return inputs[:, : self.outputs]",
        "return inputs[:, -self.outputs :]",
        "tests/networks/test_invertible_shapes.py",
    ),
    Sabotage(
        "a diagnostic of a singular matrix ends the run",
        "benchsuite/credit/targets.py",
        "tape, factorizations = record_forward(self.network, batch), self._factorize()",
        "tape, factorizations = record_forward(self.network, batch), self._factorize()\n"
        "        self._remember_singular(factorizations)",
        "tests/diagnostics/test_target_distance.py",
    ),
    Sabotage(
        "the distance of a target has its scale divided out",
        "benchsuite/credit/targets.py",
        "return {name: difference for name, difference, _ in",
        "return {name: difference * _for_each_example(_, difference) for name, difference, _ in",
        "tests/diagnostics/test_target_distance.py",
    ),
    Sabotage(
        "a deviation from orthogonality is summed and not a mean",
        "benchsuite/diagnostics/conditioning.py",
        "/ math.sqrt(len(matrix))",
        "",
        "tests/diagnostics/test_conditioning.py",
    ),
    Sabotage(
        "a target keeps what its decoder gets wrong",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "decoded - of_target)",
        "inputs - of_target)",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "a decoder learns to take noise away",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "return noisy, self._wide(response)",
        "return inputs, self._wide(response)",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "a decoder has its own segment's nonlinearity",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "below = self.network.segments[self.below[name]]",
        "below = self.network.segments[name]",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "a decoder grows away from what it reconstructs",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "error = (decoded - inputs)",
        "error = (inputs - decoded)",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "decoders learn while the network is measured",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "if self.training:",
        "if True:",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "a difference skips what lies between segments",
        "benchsuite/credit/tape.py",
        "(pulled,) = torch.autograd.grad(received, output, cotangent.to(received.dtype))",
        "pulled = torch.ones_like(output)",
        "tests/properties/test_difference_target_propagation.py",
    ),
    Sabotage(
        "a plan forgets factorizations",
        "benchsuite/credit/targets.py",
        "per_step=sum(size**3 / 3 + 2 * size**2 for size in sizes)",
        "per_step=0",
        "tests/execution/test_counted_work.py",
    ),
    Sabotage(
        "a plan counts the regulariser for every map",
        "benchsuite/execution/estimate.py",
        "if of_all or shapes.upstream[s.name]",
        "",
        "tests/execution/test_counted_work.py",
    ),
    Sabotage(
        "a first training is not looked at",
        "benchsuite/networks/run_shapes.py",
        "if first.epochs and first.architecture is not None:",
        "if False:",
        "tests/training/test_orthogonality.py",
    ),
    Sabotage(
        "auxiliary units come first",
        "benchsuite/credit/tape.py",
        "F.pad(credit, (0, missing))",
        "F.pad(credit, (missing, 0))",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "noise shakes what nobody reads",
        "plugins/benchsuite_rules/node_perturbation.py",
        "noise[name][:, shapes[name][1] - unread :].zero_()",
        "pass",
        "tests/properties/test_target_rules.py",
    ),
    Sabotage(
        "training goes on in evaluation mode",
        "benchsuite/execution/diagnostics_schedule.py",
        "trainer.network.train()",
        "pass",
        "tests/execution/test_step_diagnostics.py",
    ),
    Sabotage(
        "measuring between steps is on the clock",
        "benchsuite/training/clock.py",
        "_add(sums, within, earlier - sums[purpose])",
        "pass",
        "tests/execution/test_step_diagnostics.py",
    ),
    Sabotage(
        "the end of an epoch is measured twice",
        "benchsuite/training/trainer.py",
        "and step + 1 < self.steps_per_epoch",
        "",
        "tests/execution/test_step_diagnostics.py",
    ),
    Sabotage(
        "a batch's scale is that of a part",
        "plugins/benchsuite_rules/normalized_gait_prop.py",
        "keepdim=True), batch.shard",
        "keepdim=True), None",
        "tests/training/test_ranks.py",
    ),
    Sabotage(
        "decoders hear other noise in each process",
        "plugins/benchsuite_rules/difference_target_propagation.py",
        "normal_noise(inputs.shape, inputs, self.stream.on(inputs.device), batch)",
        "torch.randn(inputs.shape, dtype=inputs.dtype, generator=self.stream.on(inputs.device))",
        "tests/training/test_ranks.py",
    ),
    Sabotage(
        "an import overwrites what is there",
        "benchsuite/files.py",
        "os.link(temporary, path)",
        "temporary.replace(path)",
        "tests/records/test_transfer.py",
    ),
    Sabotage(
        "nesting in a record is not counted",
        "benchsuite/records/reading.py",
        "if depth > MAX_DEPTH:",
        "if False:",
        "tests/records/test_reading.py",
    ),
    Sabotage(
        "an edited spec keeps its name",
        "benchsuite/records/checks.py",
        "if record.spec_hash != whole:",
        "if False:",
        "tests/records/test_lint.py",
    ),
    Sabotage(
        "a claim leaves failed seeds out of the mean",
        "benchsuite/papers/verdicts.py",
        "failures = tuple(text for pair in pairs for text in pool.failures(pair, case.comparison))",
        "failures = ()",
        "tests/papers/test_claims.py",
    ),
    Sabotage(
        "a claim is decided by a mean without its interval",
        "benchsuite/papers/verdicts.py",
        "decide(comparison, gap.low, gap.high)",
        "decide(comparison, gap.mean, gap.mean)",
        "tests/papers/test_claims.py",
    ),
    Sabotage(
        "a claim mixes data of two fingerprints",
        "benchsuite/papers/evidence.py",
        "r.data.fingerprint == fingerprint[arm.track]",
        "True",
        "tests/papers/test_claims.py",
    ),
    Sabotage(
        "a claim is decided by runs of another learning rate",
        "benchsuite/results/grouping.py",
        "spec.architecture, spec.protocol, spec.pretraining",
        "spec.architecture, spec.pretraining",
        "tests/papers/test_claims.py",
    ),
    Sabotage(
        "the matrix shows a rule's best setting",
        "leaderboard/benchsuite_leaderboard/matrix.py",
        "        -row.completed,",
        "        row.test_error.mean if row.test_error else 1,",
        "tests/leaderboard/test_matrix.py",
    ),
    Sabotage(
        "a p-value is of one side",
        "benchsuite/results/statistics.py",
        "return float(2 * stdtr",
        "return float(stdtr",
        "tests/results/test_statistics.py",
    ),
    Sabotage(
        "the critical difference is too small",
        "leaderboard/benchsuite_leaderboard/critical_difference.py",
        "(6 * tracks)",
        "(12 * tracks)",
        "tests/leaderboard/test_critical_difference.py",
    ),
    Sabotage(
        "ranks are over tracks that not all rules have",
        "leaderboard/benchsuite_leaderboard/critical_difference.py",
        "set.intersection(*",
        "set.union(*",
        "tests/leaderboard/test_critical_difference.py",
    ),
    Sabotage(
        "a renewed site keeps the pages of a changed record",
        "leaderboard/benchsuite_leaderboard/renewal.py",
        "known.key == job.key and",
        "",
        "tests/leaderboard/test_renewal.py",
    ),
    Sabotage(
        "a spreadsheet takes a rule's name for a formula",
        "leaderboard/benchsuite_leaderboard/downloads/formats.py",
        """return f"'{value}" if""",
        "return value if",
        "tests/leaderboard/test_exports.py",
    ),
    Sabotage(
        "a run that another command makes is asked for at once again",
        "benchsuite/execution/ray_executor.py",
        "not_before=time.monotonic() + POLL_S",
        "not_before=time.monotonic()",
        "tests/execution/test_ray_executor.py",
    ),
    Sabotage(
        "a run that another command has made is made anew",
        "benchsuite/execution/ray_executor.py",
        "context.fresh and attempt.is_first",
        "context.fresh and attempt.number == 0",
        "tests/execution/test_ray_executor.py",
    ),
    Sabotage(
        "a checkpoint of another layout is continued",
        "benchsuite/training/checkpoint.py",
        "(LAYOUT, result_key)",
        "(content.get('layout'), result_key)",
        "tests/execution/test_run.py",
    ),
    Sabotage(
        "a checkpoint is continued although a bit of it has changed",
        "benchsuite/training/checkpoint.py",
        "if trailer[len(SEAL) :] != digest.digest():",
        "if False:",
        "tests/training/test_checkpoint.py",
    ),
    Sabotage(
        "a damaged checkpoint is not mentioned in the record",
        "benchsuite/execution/checkpointing.py",
        "run.progress.remarks.append(_set_aside(path, error))",
        "_set_aside(path, error)",
        "tests/execution/test_run.py",
    ),
    Sabotage(
        "a record's seeds are believed",
        "benchsuite/records/check_conditions.py",
        "elif seed != expected[axis]:",
        "elif seed < 0:",
        "tests/records/test_forged.py",
    ),
    Sabotage(
        "true is read as a number",
        "benchsuite/records/reading.py",
        'return "true or false"',
        'return "a number"',
        "tests/records/test_forged.py",
    ),
    Sabotage(
        "an error of a part of an example is believed",
        "benchsuite/records/check_epochs.py",
        "return abs(number - round(number)) <= WHOLE",
        "return True",
        "tests/records/test_forged.py",
    ),
    Sabotage(
        "a result that its store cannot take is lost",
        "benchsuite/records/store.py",
        "raise rescued(path.name, record_text(record), self.root, error) from error",
        "raise",
        "tests/records/test_rescue.py",
    ),
    Sabotage(
        "a damaged record is replaced in silence",
        "benchsuite/records/store.py",
        "if isinstance(older, BrokenRecord):",
        "if False:",
        "tests/records/test_rescue.py",
    ),
    Sabotage(
        "the run of another machine that was killed is waited for without end",
        "benchsuite/records/running.py",
        "return not marker.token or _silent_s(path) < LEASE_S",
        "return True",
        "tests/records/test_store.py",
    ),
    Sabotage(
        "a run gives no signs of life",
        "benchsuite/records/running.py",
        "os.utime(path)  # without",
        "path.stat()  # without",
        "tests/records/test_store.py",
    ),
    Sabotage(
        "a half-made database of MLflow is kept for ever",
        "benchsuite/records/mlflow/database.py",
        'if any(name.startswith("_alembic_tmp_") for name in tables):',
        "if True:\n                return ''\n            if False:",
        "tests/records/mlflow/test_database.py",
    ),
    Sabotage(
        "a link out of the data set's folder is followed",
        "benchsuite/data/plain_files.py",
        "return os.path.commonpath([target, root]) != root",
        "return False",
        "tests/data/test_strange_files.py",
    ),
    Sabotage(
        "an image that cannot be decoded is left out of its pack",
        "benchsuite/data/images/packing.py",
        "    if faults:\n        return faults\n",
        "",
        "tests/data/test_strange_files.py",
    ),
    Sabotage(
        "a terminal obeys a spec's title",
        "benchsuite/api/display.py",
        "yield segment if control or not UNPRINTABLE.search(text) else",
        "yield segment if True else",
        "tests/cli/test_terminal.py",
    ),
    Sabotage(
        "pages are served under any host's name",
        "benchsuite/api/site_server.py",
        "in THIS_MACHINE",
        "is not None",
        "tests/api/test_site_server.py",
    ),
    Sabotage(
        "a part of a processor is counted as one",
        "benchsuite/training/energy.py",
        'if f.name.count(":") == 1',
        "",
        "tests/training/test_energy.py",
    ),
    Sabotage(
        "the energy of a run's second half is the run's",
        "benchsuite/execution/checkpointing.py",
        "if clock.spent and not clock.used:",
        "if False:",
        "tests/training/test_energy.py",
    ),
    Sabotage(
        "a row has the energy of those of its runs that were counted",
        "benchsuite/results/rows.py",
        'if _all_have(counted, "train_energy_j") else None',
        "",
        "tests/results/test_tables.py",
    ),
    Sabotage(
        "a row has the top-5 error of those of its runs that have one",
        "benchsuite/results/rows.py",
        " if len(top5_errors) == len(counted) else None",
        "",
        "tests/results/test_tables.py",
    ),
    Sabotage(
        "a table of ten classes shows a top-5 error",
        "benchsuite/results/final.py",
        "record.data.classes < TOP5_CLASSES",
        "False",
        "tests/results/test_tables.py",
    ),
    Sabotage(
        "a file of any size comes from a tracking store",
        "benchsuite/records/mlflow/gathering.py",
        "if sizes[RECORD] > MAX_RECORD_BYTES:",
        "if False:",
        "tests/records/mlflow/test_gathering.py",
    ),
    Sabotage(
        "a backprop of a busy machine makes every rule look cheap",
        "benchsuite/results/row_records.py",
        "if not waited_for_processor(r)",
        "",
        "tests/results/test_tables.py",
    ),
    Sabotage(
        "training time does not add up",
        "benchsuite/results/curves.py",
        "accumulate(e.train_time_s for e in epochs)",
        "(e.train_time_s for e in epochs)",
        "tests/results/test_curves.py",
    ),
    Sabotage(
        "two rules are compared across machines",
        "benchsuite/api/comparisons.py",
        "if row.hardware_class != other.hardware_class:",
        "if False:",
        "tests/api/test_comparisons.py",
    ),
    Sabotage(
        "two rules are compared on other data",
        "benchsuite/api/comparisons.py",
        "if table is not other_table:",
        "if False:",
        "tests/api/test_comparisons.py",
    ),
    Sabotage(
        "the sides of a comparison are swapped",
        "benchsuite/api/comparisons.py",
        "difference = paired_difference(row.test_errors, other.test_errors)",
        "difference = paired_difference(other.test_errors, row.test_errors)",
        "tests/api/test_comparisons.py",
    ),
    Sabotage(
        "seed indices are taken for a number of seeds",
        "benchsuite/api/options.py",
        "indices = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)",
        "indices = tuple(range(seeds)) if isinstance(seeds, int) else tuple(range(len(tuple(seeds))))",
        "tests/api/test_plans.py",
    ),
    Sabotage(
        "refused runs are among those of a plan",
        "benchsuite/api/plans.py",
        "return tuple(entry for entry in self.entries if not entry.refused)",
        "return self.entries",
        "tests/api/test_plans.py",
    ),
    Sabotage(
        "progress stays registered after its runs",
        "benchsuite/api/sessions.py",
        "            registry.manager.unregister(watcher)",
        "            pass",
        "tests/api/test_runs.py",
    ),
    Sabotage(
        "the environment's store is ignored",
        "benchsuite/api/options.py",
        "Path(given or os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)",
        "Path(given or DEFAULT_STORE)",
        "tests/api/test_runs.py",
    ),
    Sabotage(
        "a diverged run has a training error in a data frame",
        "benchsuite/api/frames.py",
        'final_train_error(record) if record.status == "completed" and record.epochs else None',
        "final_train_error(record) if record.epochs else None",
        "tests/api/test_records.py",
    ),
    Sabotage(
        "a worker keeps torch's settings of other rules",
        "benchsuite/execution/workers/worker.py",
        "    request.torch_state.apply()\n",
        "    pass\n",
        "tests/execution/test_workers.py",
    ),
    Sabotage(
        "a worker's global streams go on from anywhere",
        "benchsuite/execution/workers/worker.py",
        "    seed_global_streams(request.selected.spec.seed)",
        "    seed_global_streams(os.getpid())",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "a worker prints on the command's stdout",
        "benchsuite/execution/workers/worker.py",
        "((nothing, 0), (log, 1), (log, 2))",
        "((nothing, 0), (log, 2))",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "a dead worker's run is not tried again",
        "benchsuite/execution/workers/supervisor.py",
        "ATTEMPTS = 2",
        "ATTEMPTS = 1",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "a time limit is not held from outside",
        "benchsuite/execution/workers/attempt.py",
        "                self._deadline = at\n",
        "                self._deadline = None\n",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "a deadline does not move with diagnostics",
        "benchsuite/execution/workers/worker.py",
        "self._set(deadline + now - since)",
        "self._set(deadline)",
        "tests/execution/test_time_budget.py",
    ),
    Sabotage(
        "evaluation hands out views of the labels",
        "benchsuite/data/resident.py",
        "targets[i : i + batch_size].clone()",
        "targets[i : i + batch_size]",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "errors are counted with the rule's labels",
        "benchsuite/training/trainer.py",
        "targets = batch.targets.clone()",
        "targets = batch.targets",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "sys.exit in a step ends the command",
        "benchsuite/execution/run.py",
        "except (Exception, SystemExit) as error:",
        "except Exception as error:",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
    Sabotage(
        "a second signal ends the handling of the first",
        "benchsuite/execution/interruption.py",
        "        if len(came) == 1:\n            raise KeyboardInterrupt",
        "        raise KeyboardInterrupt",
        "tests/execution/test_interruption.py",
    ),
    Sabotage(
        "a worker sends no events",
        "benchsuite/execution/workers/fresh.py",
        "    return factory.run_of(request.selected, emit=emit)",
        "    return factory.run_of(request.selected)",
        "tests/execution/test_workers.py",
    ),
    Sabotage(
        "plugins' imports print on stdout",
        "benchsuite/api/workspace.py",
        "    with stdout_to_stderr():",
        "    if True:",
        "tests/execution/hostile/test_hostile_rules.py",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """The result of one sabotage.

    Attributes:
        sabotage: the sabotage.
        why: why it counts as a survivor; None if a test caught it.
        seconds: how long its tests took.

    """

    sabotage: Sabotage
    why: str | None
    seconds: float


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout that may be broken."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Checkout:
        """Copy what tests need into an empty folder."""
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        return cls(folder)

    def test(self, tests: list[str], timeout_s: float, jobs: int = 0) -> int | None:
        """Run tests up to the first failure; returns pytest's exit code, or None if it took too long."""
        # pyproject's own options are for whole runs: workers, slowest tests, summaries.
        options = ["-o", "addopts=--import-mode=importlib", "-m", "not slow and not full", "-x", "-q"]
        command = [sys.executable, "-m", "pytest", *options, "-n", str(jobs), "-p", "no:cacheprovider", *tests]
        paths = os.pathsep.join(str(self.folder / part) for part in (".", "plugins", "leaderboard"))
        # One thread each: workers beside each other would fight over the cores. Bytecode is shared, and kept where the
        # environment would leave it out, since compiling torch takes longer than most of these tests.
        bytecode = str(self.folder.parent / "bytecode")
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": bytecode}
        for name in ("PYTEST_ADDOPTS", "PYTHONDONTWRITEBYTECODE"):
            environment.pop(name, None)
        with self.output.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=output, stderr=output, start_new_session=True
            )
        try:
            code: int = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever a test that was cut off has started
        return code

    @property
    def output(self) -> Path:
        """File with what pytest said last."""
        return self.folder / "pytest-output.txt"

    def try_out(self, sabotage: Sabotage, timeout_s: float) -> Outcome:
        """Apply a sabotage, run its tests, and undo it."""
        target = self.folder / sabotage.file
        original = target.read_text(encoding="utf-8")
        if sabotage.line not in original:
            return Outcome(sabotage, "does not fit the code any more", 0.0)
        target.write_text(original.replace(sabotage.line, sabotage.broken), encoding="utf-8")
        started = time.monotonic()
        try:
            code = self.test(sabotage.tests.split(), timeout_s)
        finally:
            target.write_text(original, encoding="utf-8")
        return Outcome(sabotage, _why_survived(code, timeout_s), time.monotonic() - started)


def _why_survived(code: int | None, timeout_s: float) -> str | None:
    if code is None:
        return f"no test failed within {timeout_s:.0f} s"
    if code == PASSED:
        return "no test failed"
    return None if code in CAUGHT else f"pytest ended with exit code {code}: its tests could not run"


def run_all(chosen: list[Sabotage], folder: Path, jobs: int, timeout_s: float) -> list[Outcome]:
    """Try out sabotages, as many at once as there are jobs, each job in a copy of its own; print each as it ends."""
    free: queue.SimpleQueue[Checkout] = queue.SimpleQueue()
    for job in range(jobs):
        free.put(Checkout.make(folder / str(job)))

    def try_out(sabotage: Sabotage) -> Outcome:
        checkout = free.get()
        try:
            return checkout.try_out(sabotage, timeout_s)
        finally:
            free.put(checkout)

    outcomes = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(try_out, sabotage) for sabotage in chosen]):
            outcome = done.result()
            verdict, why = ("SURVIVES", f": {outcome.why}") if outcome.why else ("caught  ", "")
            print(f"{verdict} {outcome.seconds:6.1f} s  {outcome.sabotage.name}{why}", flush=True)
            outcomes.append(outcome)
    return outcomes


def summarize(outcomes: list[Outcome], seconds: float) -> str:
    """Return what survived, what took longest, and how long all took."""
    survivors = [o for o in outcomes if o.why]
    slowest = sorted(outcomes, key=lambda o: o.seconds, reverse=True)[:5]
    return "\n".join(
        [
            f"{len(outcomes) - len(survivors)} of {len(outcomes)} sabotages caught in {seconds / 60:.1f} minutes",
            *(f"  survives: {o.sabotage.name} ({o.why})" for o in survivors),
            *(f"  slowest: {o.seconds:.1f} s  {o.sabotage.name}" for o in slowest),
        ]
    )


def main() -> int:
    """Run all sabotages, or those named, and say which survive."""
    parser = argparse.ArgumentParser(description="Break the code in one-line ways and see that a test notices each.")
    parser.add_argument("names", nargs="*", help="words of the names of those to try; all if none is given")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: %(default)s)")
    parser.add_argument(
        "--timeout", type=float, default=300.0, help="seconds for one sabotage's tests (default: %(default)s)"
    )
    given = parser.parse_args()
    chosen = [s for s in SABOTAGES if not given.names or any(word in s.name for word in given.names)]
    if not chosen:
        parser.error(f"no sabotage's name has {' or '.join(given.names)} in it")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # Tests that fail anyway would catch everything.
        tests = sorted({path for sabotage in chosen for path in sabotage.tests.split()})
        sound = Checkout.make(Path(folder) / "sound")
        if sound.test(tests, BASELINE_TIMEOUT_S, given.jobs) != PASSED:
            print(sound.output.read_text(encoding="utf-8")[-4000:])
            print("the tests fail, or take too long, before anything is broken: see above")
            return 1
        print(f"tests pass on the code as it is ({time.monotonic() - started:.0f} s)", flush=True)
        outcomes = run_all(chosen, Path(folder), given.jobs, given.timeout)
    print(summarize(outcomes, time.monotonic() - started))
    return 1 if any(outcome.why for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
