"""The papers' side of a leaderboard, kept between calls: laying it out imports every rule, which takes seconds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.cli.options import messages
from benchsuite.cli.sources import Cells, laid_out_claims, published_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchsuite.records.store import RecordStore
    from benchsuite_leaderboard.incremental import Papers
    from benchsuite_leaderboard.site import BuildReport


def build_store_page(records: RecordStore, specs: list[Path] | None) -> BuildReport:
    """Build or renew a store's own leaderboard page.

    Raises:
        StoreError: if its folder cannot be written, or holds something else.

    """
    from benchsuite_leaderboard.incremental import Sources, build_from_folders

    folders = [records.records_folder, records.experiments_folder]
    return build_from_folders(Sources(folders, papers=lambda cells: papers_of(cells, specs)), records.root / "site")


def papers_of(cells: Cells, specs: list[Path] | None) -> Papers:
    """Return published values and claims for these tracks and tiers; a wrong spec costs them, with a message.

    What was laid out last is kept in the user's cache folder and used again while specs and plugins are the same.
    """
    import platformdirs
    from pydantic import TypeAdapter, ValidationError

    from benchsuite.errors import StoreError
    from benchsuite.papers.claim_cases import ClaimCases
    from benchsuite.papers.published import PublishedError
    from benchsuite.records.atomic import replaced_atomically
    from benchsuite.registry.manager import installed_registry
    from benchsuite_leaderboard.incremental import Papers

    shape: TypeAdapter[Any] = TypeAdapter(tuple[str, list[Path], list[PublishedError], list[ClaimCases]])
    cache = Path(platformdirs.user_cache_dir("benchsuite")) / "papers.json"
    try:
        known, plugin_folders, published, claims = shape.validate_json(cache.read_bytes())
        # Another set of folders means other plugins, so another key.
        if known == _key(cells, specs, plugin_folders):
            return Papers(published, claims, known)
    except (OSError, ValidationError):
        pass  # none yet, or of another version
    plugin_folders = [folder for folder, _ in installed_registry().spec_folders]
    key = _key(cells, specs, plugin_folders)
    wrong: list[str] = []
    published = _unless_wrong(wrong, "published values", lambda: published_values(cells, specs))
    claims = _unless_wrong(wrong, "claims", lambda: laid_out_claims(cells, specs))
    if not wrong:
        try:
            with replaced_atomically(cache) as stream:
                stream.write(shape.dump_json((key, plugin_folders, published, claims)))
        except StoreError:
            pass  # a cache that cannot be written only costs time
    return Papers(published, claims, key if not wrong else f"{key} without {', '.join(wrong)}")


def _unless_wrong(wrong: list[str], what: str, lay_out: Callable[[], list[Any]]) -> list[Any]:
    from benchsuite.errors import SpecError

    try:
        return lay_out()
    except SpecError as error:
        messages().print(f"{what} are left out: {error}", markup=False, soft_wrap=True)
        wrong.append(what)
        return []


def _key(cells: Cells, specs: list[Path] | None, plugin_folders: list[Path]) -> str:
    from benchsuite.registry.state import installed_state
    from benchsuite.specs.loading.library import builtin_folder, user_folders

    files = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for folder in (builtin_folder(), *user_folders(), *(specs or []), *plugin_folders)
        for path in sorted(folder.resolve().rglob("*.y*ml"))
    ]
    return hashlib.sha256(json.dumps([installed_state(), files, sorted(cells)]).encode()).hexdigest()
