"""Server of a site's pages on this machine: only for this machine, and only files of the site's folder."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
INDEX_PAGES = ("index.html", "index.htm")


class SitePages(SimpleHTTPRequestHandler):
    """Answers requests for files of one folder, made under a name of this machine."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Send the head of an answer; refuse other hosts' names, and files outside the folder."""
        # A page elsewhere may give its own name this machine's address, and would then be allowed to read the answers.
        if not _is_this_machine(self.headers.get("Host")):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "this server answers for localhost only")
            return None
        path = Path(self.translate_path(self.path))
        root = Path(self.directory).resolve()
        if not all(each.resolve().is_relative_to(root) for each in (path, *(path / name for name in INDEX_PAGES))):
            self.send_error(HTTPStatus.NOT_FOUND, "a link that leaves the site's folder is not followed")
            return None
        return super().send_head()


def _is_this_machine(host: str | None) -> bool:
    """Return True for a name of this machine with any port: a tunnel may have another one; also if none is given."""
    if host is None:
        return True
    try:
        return urlsplit(f"//{host}").hostname in THIS_MACHINE
    except ValueError:
        return False


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server that listens on this machine's own address; raises OSError if the port is taken."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(SitePages, directory=str(folder)))
