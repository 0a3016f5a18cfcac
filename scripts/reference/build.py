"""Write the generated pages of the docs site; mkdocs runs this through mkdocs-gen-files before it builds.

Everything comes from what the command itself prints (``schema``, ``list``, ``info``) and from its parser, so a page
cannot say anything that the installed version does not do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mkdocs_gen_files

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reference import command, decisions, fields, listings, papers, rules

pages = {
    "reference/command.md": command.page(),
    "reference/specs.md": fields.specs_page(),
    "reference/record.md": fields.records_page(),
    "reference/tracks.md": listings.tracks_page(),
    "reference/datasets.md": listings.datasets_page(),
    "reference/diagnostics.md": listings.diagnostics_page(),
    "reference/papers.md": papers.page(),
    "decisions/README.md": decisions.index_page(),
    **rules.pages(),
}
for path, text in pages.items():
    with mkdocs_gen_files.open(path, "w") as file:
        file.write(text)
