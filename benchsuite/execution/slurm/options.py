"""Options of SLURM jobs, as ``--slurm key=value`` gives them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from benchsuite.errors import Problem, SpecError

DEFAULT_MINUTES = 240
"""Time limit of a job. Short jobs find room sooner, and a run that needs longer continues in the next."""
LARGEST_ARRAY = 1000
"""Jobs per array: SLURM's default limit, of indices from 0."""
GPU_KEYS = frozenset({"gpus", "gres", "gpus_per_node", "gpus_per_task", "gpus_per_socket"})
SET_BY_EXECUTOR = frozenset(
    {"array", "output", "error", "open_mode", "signal", "requeue", "no_requeue", "nodes", "ntasks", "ntasks_per_node"}
    | {"wrap", "parsable", "wait", "test_only"}
)
"""Options of sbatch that the executor needs for itself."""
OTHER_NAMES = {
    "memory": "mem",
    "cpus": "cpus_per_task",
    "threads": "cpus_per_task",
    "queue": "partition",
    "gpu": "gpus",
}
"""Words that stand for an option of another name, with sbatch's name."""

FORMS = (
    re.compile(r"(?P<minutes>\d+)(:(?P<seconds>\d+))?"),
    re.compile(r"(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+)"),
    re.compile(r"(?P<days>\d+)-(?P<hours>\d+)(:(?P<minutes>\d+)(:(?P<seconds>\d+))?)?"),
)
"""Forms of sbatch's ``--time``."""
MINUTES_PER = {"days": 24 * 60.0, "hours": 60.0, "minutes": 1.0, "seconds": 1 / 60}


@dataclass(frozen=True)
class SlurmOptions:
    """Options of a command's jobs.

    Attributes:
        minutes: time limit of a job.
        parallel: number of jobs at the same time, at most.
        sbatch: further options of sbatch by long name, with underscores; True for one without a value.

    """

    minutes: int = DEFAULT_MINUTES
    parallel: int = LARGEST_ARRAY
    sbatch: Mapping[str, str | bool] = field(default_factory=dict)

    @property
    def ask_for_gpus(self) -> bool:
        """True if an option gives the jobs GPUs."""
        return not GPU_KEYS.isdisjoint(self.sbatch)


def parse_slurm_options(given: Mapping[str, object] | Iterable[str] | None) -> SlurmOptions:
    """Return the options of texts ``key=value``, or of a mapping.

    Raises:
        SpecError: if a text is no option, a value is invalid, or an option is the executor's own; all problems at once.

    """
    texts = [f"{key}={value}" for key, value in given.items()] if isinstance(given, Mapping) else list(given or ())
    problems: list[Problem] = []
    found: dict[str, str | bool] = {}
    for text in texts:
        name, has_value, value = text.partition("=")
        key = name.strip().lstrip("-").replace("-", "_")
        message = _problem_of(key, value)
        if message:
            problems.append(Problem(f"{text!r}: {message}", field="slurm"))
        found[key] = value if has_value and value != "True" else True
    minutes = _minutes(found.pop("time", DEFAULT_MINUTES), problems)
    parallel = _count(found.pop("parallel", LARGEST_ARRAY), problems)
    if problems:
        raise SpecError(problems)
    return SlurmOptions(minutes, parallel, found)


def _problem_of(key: str, value: str) -> str:
    """Return what is wrong with an option; empty if nothing is."""
    if not re.fullmatch(r"[a-z][a-z_]+", key) or not value.isprintable():
        return "expected key=value with a long option of sbatch, such as partition=gpu"
    if key in SET_BY_EXECUTOR:
        return f"--{key.replace('_', '-')} is set by --executor slurm itself; leave it out"
    if key in OTHER_NAMES:
        return f"sbatch has no option of this name; did you mean '{OTHER_NAMES[key].replace('_', '-')}={value}'?"
    return ""


def _minutes(text: object, problems: list[Problem]) -> int:
    match = next((found for form in FORMS if (found := form.fullmatch(str(text)))), None)
    parts = match.groupdict() if match else {}
    minutes = sum(MINUTES_PER[name] * int(number) for name, number in parts.items() if number)
    if not minutes:
        message = f"'time={text}': expected minutes, hours:minutes:seconds or days-hours, such as 4:00:00"
        problems.append(Problem(message, field="slurm"))
    return max(1, round(minutes))


def _count(text: object, problems: list[Problem]) -> int:
    if str(text).isdecimal() and int(str(text)) > 0:
        return int(str(text))
    problems.append(Problem(f"'parallel={text}': expected the number of jobs at the same time", field="slurm"))
    return 1
