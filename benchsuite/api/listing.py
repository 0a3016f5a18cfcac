"""List rules, tracks, data sets and other specs, diagnostics and plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args, overload

from rich.text import Text

from benchsuite.api.display import Displayed, Part
from benchsuite.api.fitting import Column, FittedTable
from benchsuite.api.names import Section
from benchsuite.api.options import Paths
from benchsuite.api.workspace import open_on_paper
from benchsuite.errors import SpecError
from benchsuite.registry.catalogue import Catalogue
from benchsuite.registry.origins import Origin, PluginFailure
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.kinds import Kind
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.tree import read

SECTIONS: tuple[Section, ...] = get_args(Section)


@dataclass(frozen=True)
class Entry:
    """One entry of a listing.

    Attributes:
        name: its name in specs and on the command line.
        summary: one sentence.
        origin: the distribution or the file it comes from.

    """

    name: str
    summary: str
    origin: str


class Listing(Displayed, Sequence[Entry]):
    """Entries of one kind, sorted by name."""

    def __init__(self, title: str, entries: Iterable[Entry]) -> None:
        self.title = title
        self._entries = tuple(entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries."""
        return tuple(entry.name for entry in self)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Listing: ...
    def __getitem__(self, index: int | slice) -> Entry | Listing:
        """Return one entry, or some of them."""
        return Listing(self.title, self._entries[index]) if isinstance(index, slice) else self._entries[index]

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the entries."""
        return iter(self._entries)

    def __repr__(self) -> str:
        """Return the names."""
        return f"<Listing of {self.title}: {', '.join(self.names)}>"

    def parts(self) -> Sequence[Part]:
        """Return a table of names and summaries, and their number."""
        table = FittedTable([Column("name"), Column("summary", wraps=True)], header=False)
        for entry in self:
            table.add_row(entry.name, entry.summary)
        return [*([table] if self else []), f"{len(self)} {self.title}"]

    def matching(self, text: str) -> Listing:
        """Return the entries whose name fits a pattern, or whose name or summary contains a text."""
        wanted = text.casefold()
        return Listing(
            self.title,
            (
                e
                for e in self
                if fnmatchcase(e.name.casefold(), wanted)
                or wanted in e.name.casefold()
                or wanted in e.summary.casefold()
            ),
        )

    def as_data(self) -> list[dict[str, str]]:
        """Return the entries as plain data."""
        return [{"name": e.name, "summary": e.summary, "from": e.origin} for e in self]


@dataclass(frozen=True)
class Overview(Displayed):
    """Listings of all kinds, and the plugins and names that were left out.

    Attributes:
        sections: a listing per kind.
        failures: plugins that were left out, and why.
        conflicts: names that several plugins provide; none of them gets the name.

    """

    sections: Mapping[Section, Listing]
    failures: tuple[PluginFailure, ...] = ()
    conflicts: Mapping[str, tuple[Origin, ...]] = field(default_factory=dict)

    def parts(self) -> Sequence[Part]:
        """Return one section with summaries or several with names alone, and a line for what was left out."""
        shown: list[Part] = []
        for section, listing in self.sections.items():
            if len(self.sections) == 1:
                shown += listing.parts()
            elif listing:
                names = "  ".join(listing.names)
                shown += [Text(f"{section} ({len(listing)})", style="bold"), f"  {names}", ""]
        shown += [f"left out: plugin {f.origin.plugin} ({f.origin.distribution}): {f.reason}" for f in self.failures]
        for name, owners in self.conflicts.items():
            both = " and ".join(map(str, owners))
            shown.append(f"refused: '{name}' is provided by {both}; uninstall one or rename it")
        if len(self.sections) > 1:
            shown.append("`benchsuite list tracks` says what each is, `benchsuite info NAME` all about one")
        return shown

    def matching(self, text: str) -> Overview:
        """Return only the entries that fit a text; see ``Listing.matching``."""
        return replace(self, sections={name: listing.matching(text) for name, listing in self.sections.items()})

    def as_data(self) -> dict[str, Any]:
        """Return all as plain data, as ``benchsuite list --json`` prints it."""
        return {
            **{section: listing.as_data() for section, listing in self.sections.items()},
            "failed_plugins": [
                {"plugin": f.origin.plugin, "distribution": f.origin.distribution, "reason": f.reason}
                for f in self.failures
            ],
            "refused_names": {
                name: [owner.distribution for owner in owners] for name, owners in self.conflicts.items()
            },
        }


def list_all(specs: Paths = None, sections: Iterable[Section] = SECTIONS) -> Overview:
    """List entries of every kind.

    Args:
        specs: folders of your own specs.
        sections: kinds of entries; all if not given.

    Returns:
        A listing per kind in ``.sections``; plugins and names that were left out in ``.failures`` and ``.conflicts``.

    """
    catalogue, library = open_on_paper(specs)
    conflicts = {name: tuple(owners) for (_, name), owners in sorted(catalogue.conflicts.items())}
    found = {section: _listing(section, catalogue, library) for section in sections}
    catalogue.store()
    return Overview(found, tuple(catalogue.failures), conflicts)


def list_rules() -> Listing:
    """List the rules of all installed plugins.

    Example:
        >>> import benchsuite as bs
        >>> "backprop" in bs.list_rules().names
        True

    """
    return _listing("rules", *open_on_paper())


def list_diagnostics() -> Listing:
    """List the diagnostics of all installed plugins, which measure credit."""
    return _listing("diagnostics", *open_on_paper())


def list_plugins() -> Listing:
    """List all plugins; the summary of one that was left out says why."""
    return _listing("plugins", *open_on_paper())


def list_tracks(specs: Paths = None) -> Listing:
    """List the tracks: data set, network and protocol under which rules are compared.

    Args:
        specs: folders of your own specs.

    Example:
        >>> import benchsuite as bs
        >>> "mnist-fc" in bs.list_tracks().names
        True

    """
    return _listing("tracks", *open_on_paper(specs))


def list_suites(specs: Paths = None) -> Listing:
    """List the suites: tracks x rules x seeds under one name."""
    return _listing("suites", *open_on_paper(specs))


def list_studies(specs: Paths = None) -> Listing:
    """List the studies: fixed tests of theoretical results."""
    return _listing("studies", *open_on_paper(specs))


def list_datasets(specs: Paths = None) -> Listing:
    """List the data sets; ``dataset_states`` says which are on this machine."""
    return _listing("datasets", *open_on_paper(specs))


def list_architectures(specs: Paths = None) -> Listing:
    """List the network architectures."""
    return _listing("architectures", *open_on_paper(specs))


def list_hardware(specs: Paths = None) -> Listing:
    """List the hardware specs."""
    return _listing("hardware", *open_on_paper(specs))


def list_references(specs: Paths = None) -> Listing:
    """List the papers with published values."""
    return _listing("reference", *open_on_paper(specs))


def list_claims(specs: Paths = None) -> Listing:
    """List the claims of papers; ``claims`` judges them by records."""
    return _listing("claims", *open_on_paper(specs))


def _listing(section: Section, catalogue: Catalogue, library: SpecLibrary) -> Listing:
    match section:
        case "rules":
            found = {name: first_paragraph(rule.doc) for name, rule in catalogue.rules.items()}
        case "diagnostics":
            found = catalogue.diagnostics
        case "plugins":
            return Listing(section, _plugins(catalogue))
        case _:
            return Listing(section, _specs(section, catalogue, library))
    kind = section.removesuffix("s")
    return Listing(section, (Entry(n, found[n], catalogue.origins[kind, n].distribution) for n in sorted(found)))


def _plugins(catalogue: Catalogue) -> list[Entry]:
    states = [(origin, "works") for origin in catalogue.plugins.values()]
    states += [(failure.origin, failure.reason) for failure in catalogue.failures]
    entries = [Entry(o.plugin, state, f"{o.distribution}, {o.value}") for o, state in states]
    return sorted(entries, key=lambda entry: entry.name)


def _specs(kind: Kind, catalogue: Catalogue, library: SpecLibrary) -> Iterator[Entry]:
    for spec in library.entries(kind):
        # What a paper says is left out of sites if its file is wrong; other files are answered when they are used.
        checked = kind in {"reference", "claims"}
        problems = check_file(spec.path, library, catalogue) if checked else []
        yield Entry(spec.name, f"broken: {problems[0]}" if problems else _title(spec.path), str(spec.path))


def first_paragraph(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _title(path: Path) -> str:
    """Return a spec's description, or its title, on one line."""
    try:
        node = read(path)
    except SpecError as error:
        return f"broken: {error.problems[0].message}"
    entries = (node.get(field) for field in ("description", "title"))
    return next((" ".join(str(entry.value).split()) for entry in entries if entry is not None), "")
