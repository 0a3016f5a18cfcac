"""Draw the charts of a site into files for papers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite_leaderboard import figure_files


def write_figures(
    site_folder: PathLike, out: PathLike, *, formats: str | Iterable[str] = ("pdf", "svg"), match: str = ""
) -> list[Path]:
    """Draw the charts of a built site into files for papers, without a browser; takes the extra ``figures``.

    Args:
        site_folder: folder that ``build_site`` wrote.
        out: folder to write to; files of the same names are replaced.
        formats: one or several of ``pdf``, ``png`` and ``svg``.
        match: only charts with this in their name, whatever its case; the name is the page's path and the chart's id.

    Returns:
        The files, by name.

    Raises:
        BenchsuiteError: if a format is unknown, or vl-convert is not installed.
        DamagedFileError: if a page's chart cannot be drawn.
        EmptySelectionError: if there is no such chart.
        StoreError: if a page cannot be read, or a file not written.

    Example:
        >>> import benchsuite as bs
        >>> results = bs.run("digits-fc", rules="backprop", seeds=2, tier="smoke")
        >>> report = bs.build_site(out="site")
        >>> [file.name[:24] for file in bs.write_figures("site", "figures", formats="svg", match="learning")]
        ['tracks-digits-fc-learnin']

    """
    wanted = [formats] if isinstance(formats, str) else list(formats)
    return figure_files.write_figures(Path(site_folder), Path(out), wanted, match)
