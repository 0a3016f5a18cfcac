"""Change records and specs at random, contradict records on purpose, and count what is accepted or ends in a traceback.

    python scripts/forge.py [--records N] [--specs N] [--seed N]

Each changed file differs from a right one in a way that can be known to be wrong: a value of another type, a key twice,
an unknown key, a negative count, a cut-off file. Each contradiction keeps names and hashes right, so that only working
out again can find it. Prints counts; exits with 1 if anything is accepted, or if anything but a problem is raised.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchsuite.errors import BenchsuiteError
from benchsuite.records.checks import inconsistencies
from benchsuite.records.keys import run_result_key
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_document
from benchsuite.specs.hashing import id_of_hash, spec_hash

REPOSITORY = Path(__file__).resolve().parents[1]
RECORDS = REPOSITORY / "leaderboard" / "records"
SPECS = REPOSITORY / "specs"

Document = dict[str, Any]
Path_ = tuple[Any, ...]

MAY_BE_NEGATIVE = {"value", "running_loss", "mean"}
"""Fields whose sign says nothing; a mean is of a normalization."""


# --- contradictions: everything has its right name, and one thing cannot be ---


def _set(*place: Any) -> Callable[[Any], Callable[[Document], None]]:
    def with_value(value: Any) -> Callable[[Document], None]:
        def change(record: Document) -> None:
            *way, last = place
            for step in way:
                record = record[step]
            record[last] = value(record[last]) if callable(value) else value

        return change

    return with_value


def _drop_diagnostics(record: Document) -> None:
    record["diagnostics"][0]["diagnostic"] = "never_asked_for"


CONTRADICTIONS: dict[str, Callable[[Document], None]] = {
    "seeds of another seed": _set("seeds", "init")(lambda seed: seed + 1),
    "a stream without a seed": lambda record: record["seeds"].pop("order"),
    "an unknown stream": lambda record: record["seeds"].update(luck=7),
    "7 of 10,000 test examples": _set("epochs", -1, "test", "examples")(7),
    "7 of the training examples": _set("epochs", -1, "train", "examples")(7),
    "7 training examples in the data": _set("data", "train_examples")(7),
    "another number of classes": _set("data", "classes")(7),
    "another shape of the input": _set("data", "input_shape")([1, 5, 5]),
    "no parameters": _set("network", "parameters")(0),
    "another number of parameters": _set("network", "parameters")(lambda number: number + 1),
    "another segment": _set("network", "segments", 0)("dense9"),
    "credit in a segment that is not there": _set("network", "taken_over")(["dense9"]),
    "another learning rate": _set("epochs", 0, "learning_rate")(lambda rate: rate * 2),
    "an error between two examples": _set("epochs", -1, "test", "error")(lambda error: error + 0.3e-4),
    "a training error between two examples": _set("epochs", -1, "running_error")(lambda error: error + 0.4e-5),
    "a better error than of the five best": _set("epochs", -1, "test", "top5_error")(1.0),
    "a loss below zero": _set("epochs", -1, "test", "loss")(-1.0),
    "an epoch less": lambda record: record["epochs"].pop(),
    "an epoch twice": lambda record: record["epochs"].append(copy.deepcopy(record["epochs"][-1])),
    "the last test is missing": _set("epochs", -1, "test")(None),
    "faster than its time": _set("epochs", 0, "images_per_s")(lambda speed: speed * 3),
    "less training time than its epochs": _set("timing", "train_time_s")(lambda time: time / 2),
    "another median speed": _set("timing", "images_per_s")(lambda speed: speed * 2),
    "another time per step": _set("timing", "step_time_ms")(lambda time: time / 2),
    "more time than from start to end": _set("timing", "setup_time_s")(1e6),
    "it ends before it starts": lambda record: record.update(
        started_at=record["ended_at"], ended_at=record["started_at"]
    ),
    "completed for a reason": _set("reason")("the loss was infinite"),
    "diverged without a reason": _set("status")("diverged"),
    "completed with a traceback": _set("traceback")("Traceback (most recent call last):"),
    "timed out without a limit": lambda record: record.update(status="timed_out", reason="too slow"),
    "another device": _set("hardware", "device")("cuda:3"),
    "another precision": _set("hardware", "precision")("bf16"),
    "a compiled step that nobody asked for": _set("hardware", "compiled")("default"),
    "an eager step without a reason": _set("spec", "hardware", "step")("recorded"),
    "a recorded step where eager was asked for": lambda record: (
        record["spec"]["hardware"].update(step="eager"),
        record["hardware"].update(step="recorded"),
    ),
    "a diagnostic that nobody asked for": _drop_diagnostics,
    "a diagnostic after the last epoch": _set("diagnostics", 0, "epoch")(99_999),
    "a diagnostic twice": lambda record: record["diagnostics"].append(copy.deepcopy(record["diagnostics"][0])),
    "a pretraining that was not wanted": lambda record: record.update(
        pretraining=[record["epochs"][0] | {"test": None, "train": None}]
    ),
    "no data": _set("data")(None),
    "no network": _set("network")(None),
    "no command": _set("command")(" "),
}
"""Changes of a completed record that has diagnostics, an evaluation of both sets and more than five classes."""


def named_again(record: Document) -> Document:
    """Give a changed record the hashes and names that belong to it, as a careful forger would."""
    try:
        read = RunRecord.model_validate(record)
    except ValueError:
        return record
    whole = spec_hash(read.spec)
    key = run_result_key(whole, read.environment, read.data.fingerprint) if read.data else read.result_key
    return record | {"run_id": id_of_hash(whole), "spec_hash": whole, "result_key": key}


# --- random changes: each makes the file wrong, whatever it hits ---


def places(value: Any, here: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield every place of plain data below the top, with its value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*here, key), inner
        yield from places(inner, (*here, key))


def _replace(document: Document, place: Path_, value: Any) -> str:
    changed: Any = copy.deepcopy(document)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return json.dumps(changed, indent=1)


def _retyped(document: Document, draw: random.Random) -> str:
    place, value = draw.choice([pair for pair in places(document) if pair[1] is not None])
    if isinstance(value, bool):
        return _replace(document, place, draw.choice([str(value), int(value), [value]]))
    if isinstance(value, int | float):
        return _replace(document, place, draw.choice([True, str(value), "-9999", [value], {}]))
    if isinstance(value, str):
        return _replace(document, place, draw.choice([7, True, [value], {"text": value}]))
    return _replace(document, place, draw.choice([7, "a text", True]))


def _negated(document: Document, draw: random.Random) -> str:
    numbers = [
        (place, value)
        for place, value in places(document)
        if type(value) in (int, float) and value > 0 and not MAY_BE_NEGATIVE & {str(step) for step in place}
    ]
    place, value = draw.choice(numbers)
    return _replace(document, place, -value)


def _key_twice(document: Document, draw: random.Random) -> str:
    lines = json.dumps(document, indent=1).splitlines()
    simple = [i for i, line in enumerate(lines) if re.fullmatch(r'\s+"[^"]+": [^\[{]+,', line)]
    number = draw.choice(simple)
    return "\n".join([*lines[: number + 1], lines[number], *lines[number + 1 :]])


def _unknown_key(document: Document, draw: random.Random) -> str:
    # Settings of rules are free, and so are a config's: they are in the hash, which the next check holds them to.
    inner = [place for place, value in places(document) if isinstance(value, dict)]
    return _replace(document, (*draw.choice([(), *inner]), "an_unknown_key"), 1)


def _cut(document: Document, draw: random.Random) -> str:
    text = json.dumps(document, indent=1)
    return text[: draw.randrange(len(text))]


def _garbled(document: Document, draw: random.Random) -> str:
    text = json.dumps(document, indent=1)
    start = draw.randrange(len(text) - 16)
    return text[:start] + "\x00" * 16 + text[start + 16 :]


def _not_a_number(document: Document, draw: random.Random) -> str:
    numbers = [place for place, value in places(document) if type(value) in (int, float)]
    return _replace(document, draw.choice(numbers), draw.choice([float("nan"), float("inf")]))


CHANGES: tuple[Callable[[Document, random.Random], str], ...] = (
    _retyped,
    _retyped,
    _negated,
    _key_twice,
    _unknown_key,
    _cut,
    _garbled,
    _not_a_number,
)


def problems_of_record(path: Path) -> list[str]:
    """Return all that ``benchsuite verify`` says about a file."""
    record = read_document(path)
    return [record.reason] if isinstance(record, BrokenRecord) else inconsistencies(record, path)


class Tally:
    """Counts of what was tried, accepted, and ended in a traceback."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.tried = 0
        self.tracebacks: list[str] = []
        self.accepted: Counter[str] = Counter()

    def judge(self, kind: str, problems: Callable[[], list[str]]) -> None:
        """Count one case; ``problems`` returns what is wrong with it."""
        self.tried += 1
        try:
            if not problems():
                self.accepted[kind] += 1
        except BenchsuiteError:
            return
        except Exception:
            self.tracebacks.append(f"{kind}\n{traceback.format_exc()}")

    @property
    def is_clean(self) -> bool:
        """True if nothing was accepted and nothing ended in a traceback."""
        return not self.accepted and not self.tracebacks

    def __str__(self) -> str:
        """Return the counts in one line, then the kinds of what was accepted."""
        head = (
            f"{self.subject}: {self.tried} tried, {len(self.tracebacks)} tracebacks, {self.accepted.total()} accepted"
        )
        return "\n".join([head, *(f"  accepted {number} ×: {kind}" for kind, number in self.accepted.most_common())])


def contradicted_records(record: Path, folder: Path) -> Tally:
    """Contradict a record in each known way, names and hashes right, and check it."""
    tally = Tally("contradictions")
    whole = json.loads(record.read_text(encoding="utf-8"))
    for kind, change in CONTRADICTIONS.items():
        forged = copy.deepcopy(whole)
        change(forged)
        forged = named_again(forged)
        path = folder / f"{forged['run_id']}.json"
        path.write_text(json.dumps(forged), encoding="utf-8")
        tally.judge(kind, lambda path=path: problems_of_record(path))
    return tally


def mutated_records(records: list[Path], number: int, folder: Path, draw: random.Random) -> Tally:
    """Change records at random and check them."""
    tally = Tally("mutated records")
    for _ in range(number):
        source, change = draw.choice(records), draw.choice(CHANGES)
        text = change(json.loads(source.read_text(encoding="utf-8")), draw)
        path = folder / source.name
        path.write_text(text, encoding="utf-8")
        tally.judge(change.__name__, lambda path=path: problems_of_record(path))
    return tally


def mutated_specs(number: int, folder: Path, draw: random.Random) -> Tally:
    """Change spec files at random, as text and as data, and validate them; only tracebacks count.

    Many a changed spec is right: another number of epochs is another experiment.
    """
    import yaml

    from benchsuite.api.validation import validate

    tally = Tally("mutated specs")
    files = sorted(SPECS.rglob("*.yaml"))
    for _ in range(number):
        source = draw.choice(files)
        text = source.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
        change = draw.choice(CHANGES if isinstance(content, dict) else (_cut, _garbled))
        try:
            text = change(content, draw)
        except (IndexError, TypeError, ValueError):  # nothing of this kind in the file
            text = text[: draw.randrange(len(text))]
        path = folder / source.relative_to(SPECS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        must_fail = change in {_unknown_key, _key_twice}

        def problems(path: Path = path, must_fail: bool = must_fail) -> list[str]:
            found = [str(problem) for each in validate(path).values() for problem in each]
            return found if must_fail else ["not judged", *found]

        tally.judge(change.__name__, problems)
        path.unlink()
    return tally


def main() -> int:
    """Run all three and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--specs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)  # noqa: S311 - a sample, no secret
    records = sorted(path for path in RECORDS.rglob("*.json") if path.parent.name != "studies")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tallies = [contradicted_records(path, folder) for path in records[::10]]
        tallies.append(mutated_records(records, options.records, folder, draw))
        tallies.append(mutated_specs(options.specs, folder, draw))
    for tally in tallies:
        print(tally)
        print(*tally.tracebacks[:3], sep="\n")
    return 0 if all(tally.is_clean for tally in tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
