"""Oracle: what a browser on this machine may ask for, and what a page elsewhere must not get through it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from benchsuite.api.site_server import make_server


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a site with a page, and with links out of it and within it."""
    folder = tmp_path / "site"
    (folder / "inner").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "within.html").symlink_to("index.html")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to("../secret.txt")
    (folder / "up").symlink_to("..")
    (folder / "inner" / "index.html").symlink_to("../../secret.txt")
    return folder


@pytest.fixture
def port(site: Path) -> Iterator[int]:
    server = make_server(site, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def ask(port: int, path: str, host: str | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_pages_are_served_to_this_machine_under_its_names(port: int) -> None:
    for host in (None, "localhost", "localhost:9000", "[::1]:8000"):
        assert ask(port, "/", host) == (200, b"the page")
    assert ask(port, "/within.html") == (200, b"the page")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost@evil", "["])
def test_another_hosts_name_is_refused(port: int, host: str) -> None:
    """Catches a page elsewhere whose name was given this machine's address, and that reads unpublished results."""
    status, content = ask(port, "/", host)
    assert status == 421
    assert b"the page" not in content


@pytest.mark.parametrize(
    "path", ["/link.txt", "/up/secret.txt", "/inner/", "/up/", "/../secret.txt", "/%2e%2e/secret.txt"]
)
def test_a_link_out_of_the_folder_is_not_followed(port: int, path: str) -> None:
    status, content = ask(port, path)
    assert status == 404
    assert b"secret" not in content
