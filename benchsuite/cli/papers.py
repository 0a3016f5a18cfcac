"""The papers' side of a leaderboard, kept between calls: laying it out imports every rule, which takes seconds."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.cli.options import messages
from benchsuite.cli.sources import Cells, laid_out_claims, published_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchsuite.papers.statements import Papers
    from benchsuite.records.store import RecordStore
    from benchsuite_leaderboard.site import BuildReport


def build_store_page(records: RecordStore, specs: list[Path] | None) -> BuildReport:
    """Build or renew a store's own leaderboard page.

    Raises:
        StoreError: if its folder cannot be written, or holds something else.

    """
    import os

    from benchsuite_leaderboard.site import build_site

    folders = [records.records_folder, records.experiments_folder]
    return build_site(
        folders, records.root / "site", papers=lambda cells: papers_of(cells, specs), processes=os.cpu_count() or 1
    )


def papers_of(cells: Cells, specs: list[Path] | None) -> Papers:
    """Return published values and claims for these tracks and tiers; a wrong spec costs them, with a message.

    What was laid out last is kept in the user's cache folder and used again while specs and plugins are the same.
    """
    import platformdirs
    from pydantic import TypeAdapter, ValidationError

    from benchsuite.errors import StoreError
    from benchsuite.files import write_bytes_atomically
    from benchsuite.papers.claim_cases import ClaimCases
    from benchsuite.papers.published import PublishedError
    from benchsuite.papers.statements import Papers

    key = _key(cells, specs)
    shape: TypeAdapter[Any] = TypeAdapter(tuple[str, list[PublishedError], list[ClaimCases]])
    cache = Path(platformdirs.user_cache_dir("benchsuite")) / "papers.json"
    try:
        known, published, claims = shape.validate_json(cache.read_bytes())
        if known == key:
            return Papers(published, claims, key)
    except (OSError, ValidationError):
        pass  # none yet, or of another version
    wrong: list[str] = []
    published = _unless_wrong(wrong, "published values", lambda: published_values(cells, specs))
    claims = _unless_wrong(wrong, "claims", lambda: laid_out_claims(cells, specs))
    if not wrong:
        with suppress(StoreError):  # a cache that cannot be written only costs time
            write_bytes_atomically(cache, shape.dump_json((key, published, claims)))
    return Papers(published, claims, key if not wrong else f"{key} without {', '.join(wrong)}")


def _unless_wrong(wrong: list[str], what: str, lay_out: Callable[[], list[Any]]) -> list[Any]:
    from benchsuite.errors import SpecError

    try:
        return lay_out()
    except SpecError as error:
        messages().print(f"{what} are left out: {error}", markup=False, soft_wrap=True)
        wrong.append(what)
        return []


def _key(cells: Cells, specs: list[Path] | None) -> str:
    from benchsuite.registry.catalog import installed_state, read_catalog
    from benchsuite.specs.loading.library import builtin_folder, user_folders

    foreign = [Path(folder) for plugin in read_catalog().plugins for folder in plugin.spec_folders]
    files = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for folder in (builtin_folder(), *user_folders(), *(specs or []), *foreign)
        for path in sorted(folder.resolve().rglob("*.y*ml"))
    ]
    return hashlib.sha256(json.dumps([installed_state(), files, sorted(cells)]).encode()).hexdigest()
