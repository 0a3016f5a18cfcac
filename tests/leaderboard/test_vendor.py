"""Oracle: the table of versions and checksums beside the vendored files."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest

VENDOR = resources.files("benchsuite_leaderboard") / "static" / "vendor"
ROW = re.compile(r"^\| `(?P<file>[^`]+)` \| (?P<version>[\d.]+) \| BSD-3-Clause \| `(?P<digest>[0-9a-f]{64})`", re.M)
LISTED = {m["file"]: m for m in ROW.finditer((VENDOR / "README.md").read_text(encoding="utf-8"))}


def test_every_vendored_script_is_listed():
    assert set(LISTED) == {p.name for p in VENDOR.iterdir() if p.name.endswith(".js")}


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_vendored_script_is_the_one_listed_and_has_its_licence(name):
    content = (VENDOR / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == LISTED[name]["digest"]
    assert b"sourceMappingURL" not in content
    assert (VENDOR / f"LICENSE-{name.removesuffix('.min.js')}").is_file()
