"""The index of decisions: number, title and status, read from the pages themselves."""

from __future__ import annotations

import re
from pathlib import Path

from reference.ask import one_line, table

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"


def index_page() -> str:
    """Return the page in Markdown: what stands in the folder's README, then a table."""
    rows = []
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        title = re.sub(r"^# (\d+\. )?", "", text.splitlines()[0])
        said = re.search(r"^\*\*Status\.\*\* (.+?)$", text, re.MULTILINE)
        rows.append((path.name[:4].lstrip("0"), f"[{one_line(title)}]({path.name})", said[1] if said else "in force"))
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    return f"{text}\n{table(('no.', 'decision', 'status'), rows)}"
