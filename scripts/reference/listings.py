"""Pages of tracks, data sets and diagnostics, as ``benchsuite list`` and ``benchsuite info`` show them."""

from __future__ import annotations

from typing import Any

from reference.ask import ask, one_line, table

from benchsuite.api.workspace import find_specs


def tracks_page() -> str:
    """Return the page of tracks and suites."""
    text = """# Tracks

Every built-in track and suite, generated from the spec files. `benchsuite info NAME` prints one in full, with the
values that papers published for it.

## Suites

"""
    text += table(("suite", "what it is"), _rows("suites")) + "\n## All tracks\n\n"
    rows = []
    library = find_specs()
    for entry in ask("list", "tracks", "--json")["tracks"]:
        track: Any = library.load("tracks", entry["name"]).plain()
        protocol = track.get("protocol", {})
        rows.append(
            (
                f"`{entry['name']}`",
                _name_of(track.get("dataset")),
                _name_of(track.get("architecture")),
                str(protocol.get("epochs", "")),
                one_line(entry["summary"]),
            )
        )
    head = ("track", "data set", "network", "epochs (paper tier)", "what it is")
    return text + table(head, rows)


def datasets_page() -> str:
    """Return the page of data sets."""
    text = """# Data sets

Every built-in data set, generated from the spec files. Errors on two of them are never compared, however alike their
names: a data set's fingerprint, the sha256 of its decoded tensors, is in every record.
[Get the data](../how-to/data.md) says where the files belong.

"""
    rows = []
    for entry in ask("list", "datasets", "--json")["datasets"]:
        spec = ask("info", entry["name"], "--json")["dataset"]
        rows.append((f"`{entry['name']}`", one_line(entry["summary"]), one_line(str(spec.get("source", "")))))
    return text + table(("data set", "what it is", "source"), rows)


def diagnostics_page() -> str:
    """Return the page of diagnostics."""
    text = """# Diagnostics

Every installed diagnostic, generated from its own summary. Choose them with `diagnostics.names` in a track, or with
`--set 'diagnostics.names=[credit_angle_deg]'`. [What "alignment" means](../concepts/alignment.md) tells them apart.

"""
    return text + table(("diagnostic", "what it measures"), _rows("diagnostics"))


def _rows(section: str) -> list[tuple[str, ...]]:
    entries = ask("list", section, "--json")[section]
    return [(f"`{entry['name']}`", one_line(entry["summary"])) for entry in entries]


def _name_of(part: Any) -> str:
    if isinstance(part, dict):
        return f"`{part['name']}`" if "name" in part else "written out"
    return f"`{part}`" if part else ""
