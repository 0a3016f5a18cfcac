"""Plan runs without making any: the runs, the refused pairs with reasons, and the work."""

from __future__ import annotations

from benchsuite.api.options import PathLike, Paths, Rules, Seeds, Settings, Tier, make_selection
from benchsuite.api.planned import Plan as Plan
from benchsuite.api.plans_on_paper import plan_on_paper
from benchsuite.api.tuned_settings import SettingsName, tuned_settings
from benchsuite.api.working_out import tracks_elsewhere, work_out
from benchsuite.data.roots import find_data_root
from benchsuite.execution.machine_speed import machine_speed
from benchsuite.execution.planned_run import RefusedPair as RefusedPair
from benchsuite.execution.planned_run import missing_data


def plan(
    target: PathLike,
    *,
    rules: Rules = None,
    seeds: Seeds = None,
    tier: Tier | None = None,
    settings: SettingsName = "published",
    set: Settings = None,
    hardware: PathLike = "auto",
    store: PathLike | None = None,
    data_root: PathLike | None = None,
    specs: Paths = None,
    measure_speed: bool = False,
) -> Plan:
    """Plan the runs of a suite or a track without running any.

    Needs neither a download nor the hardware, if the specs give the data's shape and ``sustained_tflops``.

    Args:
        target: name of a suite or a track, or path of such a YAML file.
        rules: names or patterns; the suite's own if not given, for a track all that are installed.
        seeds: number of seeds, or seed indices; the suite's own if not given, 5 for a track.
        tier: amount of work, ``"smoke"``, ``"quick"`` or ``"paper"``; the suite's own, or quick for a track.
        settings: ``"published"``, as the specs have them; or ``"tuned"``, as `benchsuite tune` has found them.
        set: fields to override, such as ``{"protocol.epochs": 5}``.
        hardware: name of a hardware spec, or path of one.
        store: folder with the tunings, for ``settings="tuned"``; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not
            given.
        data_root: folder of data sets; ``$BENCHSUITE_DATA`` or the user's cache folder if not given.
        specs: folders of your own specs.
        measure_speed: if the hardware spec has no ``sustained_tflops``, estimate hours by this machine's speed, which
            takes a second to measure and is then kept in the user's cache folder.

    Returns:
        The plan: ``.runs``, ``.refused`` (with reasons), ``.flops``, ``.hours``, ``.table()``.

    Raises:
        SpecError: if a name or a value is wrong; all problems are listed.
        EmptySelectionError: if no rule matches.
        DataError: if a data set must be read to know its shape, and cannot.

    Example:
        >>> import benchsuite as bs
        >>> plan = bs.plan("digits-fc", rules=["backprop", "gevb"], seeds=2, tier="smoke")
        >>> len(plan.runs), plan.flops > 0
        (2, True)
        >>> print(plan.refused[0])
        refused: gevb on digits-fc: needs a network of form vectorized, this one is ordinary

    """
    selection = make_selection(target, rules, seeds, tier, set, hardware)
    find_tuned = tuned_settings(store) if settings == "tuned" else None
    root = find_data_root(data_root)
    on_paper = plan_on_paper(selection, specs, target, root, find_tuned)
    if on_paper is not None:
        planned, warned = on_paper
        # There is no stored catalogue as long as anything was left out; data of plugins are not on paper.
        missing, left_out = missing_data(planned, {}, root), list[str]()
    else:
        planned, warned, missing, left_out = work_out(selection, specs, target, root, find_tuned)
    used = planned[0].selected.spec.hardware
    speed = machine_speed(used) if measure_speed and used.sustained_tflops is None else None
    # Only where nothing can be made, since the search takes torch and the plan of other targets does not.
    elsewhere = {} if any(not run.refused for run in planned) else tracks_elsewhere(planned, specs, target)
    return Plan(tuple(planned), tuple(left_out), tuple(missing), tuple(map(str, warned)), speed, elsewhere)
