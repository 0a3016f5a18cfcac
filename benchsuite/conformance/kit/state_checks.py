"""Check that the rule depends on its seeds and saved state alone, and changes nothing else."""

from __future__ import annotations

import pickle

import torch
from torch import Tensor

from benchsuite.conformance.kit.guards import GlobalState, disturbed
from benchsuite.conformance.kit.settings import ConformanceSettings, batches, refusal_skips, require
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.conformance.samples.trial import differing
from benchsuite.credit.batch import Batch
from benchsuite.networks.network import Network


class StateChecks(ConformanceSettings):
    """Checks on seeds, saving and resuming, and on what must stay untouched."""

    def test_same_seeds_give_the_same_weights(self, sample: SampleNetwork) -> None:
        """Catches any source of randomness besides the generator passed to ``attach``."""
        runs = []
        with disturbed() as disturb:
            for _ in range(2):
                disturb()
                runs.append(self.start(sample).train(batches(sample, 3)).state())
        off = differing(*runs)
        require(
            not off,
            asks="with equal seeds, weights and rule state are equal bit for bit",
            seen=[f"{n} differs" for n in off],
            remedy="draw only from the generator given to attach; let no set or hash decide an order",
        )

    def test_the_feedback_seed_acts_through_saved_state_alone(self, sample: SampleNetwork) -> None:
        """Catches feedback that is drawn but not used, and feedback that is used but not in the checkpoint."""
        trials = [self.start(sample, feedback_seed=seed) for seed in (21, 22)]
        states = [trial.rule.state_dict() for trial in trials]
        drawn = differing(*states)
        weights = [dict(trial.train(batches(sample, 3)).network.state_dict()) for trial in trials]
        learnt = differing(*weights)
        require(
            bool(drawn) or not learnt,
            asks="everything that depends on the feedback seed is in rule.state_dict()",
            seen=f"another feedback seed changes {', '.join(learnt)}, but not the rule's state {list(states[0])}",
            remedy="self.register_buffer every feedback weight in attach (a plain attribute is lost on resume)",
        )
        used = [n for n in drawn if isinstance(states[0][n], Tensor) and states[0][n].is_floating_point()]
        require(
            bool(learnt) or not used or not trials[0].network.hidden,
            asks="feedback weights that the rule draws are used",
            seen=f"another feedback seed changes {', '.join(used)}, but no weight of the network",
            remedy="use them in assign_credit, or do not keep them",
        )

    def test_a_resumed_run_ends_with_the_weights_of_one_never_stopped(self, sample: SampleNetwork) -> None:
        """Catches state outside ``state_dict``: feedback kept in a list, a generator, a step counter."""
        first, second = batches(sample, 3), batches(sample, 3, start=3)
        straight = self.start(sample).train(first)
        resumed = self.start(sample, init_seed=31, feedback_seed=32, fresh=False)
        try:
            resumed.resume(straight.checkpoint())
        except (RuntimeError, pickle.UnpicklingError) as error:
            require(
                False,
                asks="rule.state_dict() of one process loads into a freshly attached rule of another",
                seen=error,
                remedy="register all buffers in attach with their final shapes; extra state is tensors and plain data",
            )
        straight.train(second)
        resumed.train(second)
        off = [n for n in differing(straight.state(), resumed.state()) if n != "feedback stream"]
        require(
            not off,
            asks="a run resumed in a new process, attached with other seeds, gives the same numbers bit for bit",
            seen=[f"{n} differs" for n in off],
            remedy="keep everything that later steps depend on in buffers or get_extra_state; a generator that is "
            "drawn from after attach belongs there too",
        )

    def test_changes_nothing_around_it(self, sample: SampleNetwork) -> None:
        """Catches weights written in place, moved running averages, draws from and seeds of global streams, hooks."""
        trial = self.start(sample, fresh=False)
        with disturbed() as disturb:
            surroundings = self._surroundings(trial.network, sample.batch(0))
            trial.rule.before_training()
            self._require_unchanged("before_training", surroundings)
            for position in range(2):
                batch = sample.batch(position)
                disturb()
                surroundings = GlobalState(trial.network, batch)
                trial.compute_gradients(batch)
                self._require_unchanged("assign_credit", surroundings)
                trial.update_weights()
                disturb()
                surroundings = self._surroundings(trial.network, batch)
                trial.rule.after_update()
                self._require_unchanged("after_update", surroundings)

    def test_feedback_weights_that_learn_are_the_rules_own_and_move(self, sample: SampleNetwork) -> None:
        """Catches a weight passed to the optimizer that no checkpoint holds, or that never gets a gradient."""
        trial = self.start(sample)
        buffers = {id(buffer): name for name, buffer in trial.rule.named_buffers()}
        learned = list(trial.rule.learned_feedback)
        problems = [f"one of shape {tuple(f.weight.shape)}" for f in learned if id(f.weight) not in buffers]
        problems += [f"{buffers.get(id(f.weight), 'one')} has the rate {f.rate}" for f in learned if f.rate <= 0]
        require(
            not problems,
            asks="learned_feedback names buffers of the rule, each with a rate above zero",
            seen=problems,
            remedy="register_buffer the weights in attach and yield the same tensors; leave out unchanged ones",
        )
        before = [f.weight.clone() for f in learned]
        trial.train(batches(sample, 4))
        idle = [buffers[id(f.weight)] for f, start in zip(learned, before, strict=True) if f.weight.equal(start)]
        require(
            not idle,
            asks="feedback weights named in learned_feedback change within a few steps of SGD",
            seen=[f"{name} did not move" for name in idle],
            remedy="leave a .grad on them in assign_credit, or leave them out of learned_feedback",
        )

    def test_parameters_of_its_own_are_in_one_group_each_and_learn(self, sample: SampleNetwork) -> None:
        """Catches a local classifier that no optimizer moves, and one that two groups move."""
        trial = self.start(sample)
        own = {name: parameter for name, parameter in trial.rule.named_parameters() if parameter.requires_grad}
        listed = [parameter for group in trial.rule.trained_parameters for parameter in group.parameters]
        uses = {name: sum(parameter is each for each in listed) for name, parameter in own.items()}
        problems = [f"{name} is in {count} groups" for name, count in uses.items() if count != 1]
        known = {id(parameter) for parameter in own.values()}
        problems += [f"one of shape {tuple(each.shape)} is not the rule's" for each in listed if id(each) not in known]
        problems += [
            f"{group.name} has rate {group.rate}" for group in trial.rule.trained_parameters if group.rate <= 0
        ]
        require(
            not problems and (not own or self.rule.traits.own_parameters),
            asks="trained_parameters names each nn.Parameter of the rule once, with a rate above zero, and "
            "traits.own_parameters says that there are some",
            seen=problems or f"{len(own)} parameters, traits.own_parameters=False",
            remedy="register nn.Parameter in attach and list it in one ParameterGroup; use buffers for what is fixed",
        )
        before = {name: parameter.detach().clone() for name, parameter in own.items()}
        trial.train(batches(sample, 4))
        idle = [name for name, parameter in own.items() if parameter.equal(before[name])]
        require(
            not idle,
            asks="parameters in trained_parameters change within a few steps of SGD",
            seen=[f"{name} did not move" for name in idle],
            remedy="leave a .grad on them in assign_credit, or keep them as buffers",
        )

    def test_predicts_as_its_traits_say(self, sample: SampleNetwork) -> None:
        """Catches a prediction of another shape or kind than declared, or that differs when it is made again."""
        trial = self.start(sample).train(batches(sample, 2))
        trial.network.eval()
        trial.rule.eval()
        inputs = sample.batch(2).inputs
        with torch.no_grad():
            expected, first, second = trial.network(inputs), trial.rule.predict(inputs), trial.rule.predict(inputs)
        require(
            first.shape == expected.shape and bool(first.isfinite().all()) and first.equal(second),
            asks=f"predict returns finite logits of shape {tuple(expected.shape)}, the same each time",
            seen=f"shape {tuple(first.shape)}, finite: {bool(first.isfinite().all())}, equal the second time: "
            f"{first.shape == second.shape and first.equal(second)}",
            remedy="return one number per class; draw nothing in predict",
        )
        require(
            first.equal(expected) != self.rule.traits.own_inference,
            asks=f"predictions {'other than' if self.rule.traits.own_inference else 'equal to'} the network's forward "
            f"pass (traits.own_inference={self.rule.traits.own_inference})",
            seen=f"largest difference {float((first - expected).abs().max()):.3g}",
            remedy="set own_inference to what predict does",
        )

    def test_feedback_weights_are_laid_out_like_the_weights_they_stand_for(self, sample: SampleNetwork) -> None:
        """Catches a transposed feedback weight, and one of no segment: diagnostics compare entry by entry."""
        trial = self.start(sample).train(batches(sample, 1))
        problems = []
        for name, feedback_weight in trial.rule.feedback_weights.items():
            if name not in trial.network.credit_senders:
                problems.append(f"'{name}' is not one of the segments that pass credit on")
                continue
            weight = trial.network.maps[name].weight
            if feedback_weight.shape != weight.shape or feedback_weight.dtype != weight.dtype:
                described = f"{tuple(feedback_weight.shape)} of {feedback_weight.dtype}"
                problems.append(f"{name}: {described}, its weight {tuple(weight.shape)} of {weight.dtype}")
        require(
            not problems,
            asks="feedback_weights names segments that pass credit on, each with a tensor of its forward weight's "
            "shape and type",
            seen=problems,
            remedy="give each feedback weight its forward weight's layout; leave out tensors that replace no weight",
        )

    def test_attach_changes_nothing_around_it(self, sample: SampleNetwork) -> None:
        """Catches weights redrawn in ``attach``: rules would no longer start from the same weights."""
        network = sample.build(torch.Generator().manual_seed(1))
        rule = self.make_rule()
        with disturbed():
            surroundings = self._surroundings(network, sample.batch(0))
            with refusal_skips():
                rule.attach(network, torch.Generator().manual_seed(2))
            self._require_unchanged("attach", surroundings)
        inside = [n for n, p in rule.named_parameters() if any(p is q for q in network.parameters())]
        require(
            not inside,
            asks="the network is not part of the rule: it is moved, saved and trained by the harness",
            seen=[f"{n} is the network's" for n in inside],
            remedy="call super().attach and use self.network; do not keep the network or its parts under another name",
        )

    def test_evaluation_neither_trains_nor_draws(self, sample: SampleNetwork) -> None:
        """Catches hooks that learn while the network is evaluated, and random draws that shift later steps."""
        trial = self.start(sample).train(batches(sample, 2))
        trial.optimizer.zero_grad(set_to_none=True)
        trial.network.eval()
        trial.rule.eval()
        batch = sample.batch(2)
        before, surroundings = trial.state(), GlobalState(trial.network, batch)
        with torch.no_grad():
            trial.rule.predict(batch.inputs)
        filled = [f"{n} got a gradient" for n, p in trial.network.named_parameters() if p.grad is not None]
        changed = [f"{n} changed" for n in (*differing(before, trial.state()), *surroundings.changes())]
        require(
            not changed + filled,
            asks="a prediction in evaluation changes nothing and draws nothing",
            seen=changed + filled,
            remedy="learn in assign_credit and after_update only; leave no hooks on the network",
        )
        trial.compute_gradients(batch)
        changed = differing(before, trial.state())
        require(
            not changed,
            asks="assign_credit of a network and rule in eval mode changes no state and draws from no stream: "
            "diagnostics measure credit this way",
            seen=[f"{n} changed" for n in changed],
            remedy="draw feedback once in attach; change state in after_update, or only `if self.training`",
        )

    def test_evaluating_between_steps_does_not_change_training(self, sample: SampleNetwork) -> None:
        """Catches a rule that counts forward passes or keeps activations from the last one it saw."""
        plain = self.start(sample).train(batches(sample, 3))
        measured = self.start(sample)
        for batch in batches(sample, 3):
            measured.step(batch)
            measured.network.eval()
            measured.rule.eval()
            with torch.no_grad():
                measured.rule.predict(sample.batch(99).inputs)
            measured.network.train()
            measured.rule.train()
        off = differing(plain.state(), measured.state())
        require(
            not off,
            asks="evaluating a network more often does not change its training",
            seen=[f"{n} differs" for n in off],
            remedy="keep nothing from one forward pass to the next outside assign_credit",
        )

    def test_accumulates_nothing_between_steps(self, sample: SampleNetwork) -> None:
        """Catches gradients added to something that the rule kept from the step before."""
        trial = self.start(sample).without_dropout()
        before = trial.rule.state_dict()
        before = {n: v.clone() if isinstance(v, Tensor) else v for n, v in before.items()}
        first = trial.gradients(sample.batch(0))
        moves = bool(differing(before, trial.rule.state_dict()))
        require(
            moves or not self.draws_noise,
            asks="draws_noise=True only for a rule whose assign_credit draws from a random stream in its saved state",
            seen="draws_noise=True, and assign_credit leaves the rule's state as it was",
            remedy="set draws_noise=False; the check that repeats a batch then runs",
        )
        if moves:
            return  # the resume check covers such a rule
        off = differing(first, trial.gradients(sample.batch(0)))
        require(
            not off,
            asks="the same batch, weights and rule state give the same gradients",
            seen=[f"{n} differs the second time" for n in off],
            remedy="keep no tensors between calls beside the rule's saved state",
        )

    def _surroundings(self, network: Network, batch: Batch) -> GlobalState:
        """Return a snapshot of all that a rule may change only by passing data through the network."""
        keeps_weights = not self.rule.traits.changes_forward_weights
        return GlobalState(network, batch, with_weights=keeps_weights, with_averages=True)

    def _require_unchanged(self, caller: str, surroundings: GlobalState) -> None:
        changes = surroundings.changes()
        require(
            not changes,
            asks=f"{caller} changes nothing outside the rule's own state and .grad",
            seen=[f"{caller} changed {change}" for change in changes],
            remedy="undo it in a `finally`, or do not touch it: weights are the optimizer's, streams and flags the "
            "harness's; randomness comes from the generator given to attach. A rule that is defined with a decay or a "
            "mask of the weights says so: traits.changes_forward_weights=True",
        )
