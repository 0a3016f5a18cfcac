"""Install a distribution as ``pip install -e`` does, without a build: its sources and its entry points on the path."""

from __future__ import annotations

import tomllib
from pathlib import Path


def install_in_place(project: Path) -> Path:
    """Write the metadata of a project beside its sources; return the folder to put on the path."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name, version = described["name"], described["version"]
    source = (project / "src").resolve()
    info = source / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = described.get("entry-points", {}).get("benchsuite", {})
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[benchsuite]\n{lines}")
    return source
