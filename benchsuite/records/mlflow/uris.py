"""Addresses of tracking stores: the default one, the kinds of stores, and printing without secrets."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432, "mysql": 3306, "mssql": 1433}

# Up to the last @, because SQLAlchemy accepts a password that contains a slash.
# Lengths are limited: without limits, a reason of 50,000 letters took 5 s.
_USER_INFO = re.compile(r"(?P<scheme>[a-zA-Z0-9+.-]{1,30}://)[^\s'\"]{0,1000}@")
_SECRET_OPTION = re.compile(
    r"(?i)(?P<name>[?&;][\w.-]{0,30}(?:pass|pwd|token|secret|key|user|sig)[\w.-]{0,30}=)[^&\s'\"]*"
)
_SQLITE = re.compile(r"^sqlite(\+\w+)?:///(?P<path>[^?]+)")


def default_tracking_uri(store: Path) -> str:
    """Return the address of the SQLite database ``<store>/mlflow.db``."""
    return f"sqlite:///{(store.resolve() / 'mlflow.db').as_posix()}"


def default_artifact_root(store: Path) -> Path:
    """Return ``<store>/mlartifacts``, the folder of the mirror's copies of specs and records."""
    return store.resolve() / "mlartifacts"


def redact(text: str) -> str:
    """Replace user names, passwords and secret options of every address in a text with ``***``."""
    return _SECRET_OPTION.sub(r"\g<name>***", _USER_INFO.sub(r"\g<scheme>***@", text))


@dataclass(frozen=True)
class TrackingUri:
    """The address of a tracking store. ``str`` hides secrets; ``raw`` may contain a password and is for MLflow only."""

    raw: str

    def __str__(self) -> str:
        """Return the address without secrets."""
        return redact(self.raw)

    def __repr__(self) -> str:
        """Return the address without secrets, also in tracebacks."""
        return f"TrackingUri({redact(self.raw)!r})"

    @property
    def scheme(self) -> str:
        """Return the part before ``://`` without a driver: ``postgresql+psycopg://`` is ``postgresql``."""
        return urlsplit(self.raw).scheme.split("+")[0].lower()

    @property
    def is_server(self) -> bool:
        """True if it is an MLflow server, which itself decides where artifacts go."""
        return self.scheme in {"http", "https"} or self.raw.startswith("databricks")

    @property
    def page(self) -> str:
        """Return the address of a server's list of experiments, without user, password and options."""
        parts = urlsplit(self.raw)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}/#/experiments"

    @property
    def sqlite_path(self) -> Path | None:
        """Return the file of a SQLite database; None for other stores and for a database in memory."""
        found = _SQLITE.match(self.raw)
        return Path(found["path"]) if found and found["path"] != ":memory:" else None

    @property
    def lock_path(self) -> Path | None:
        """Return the lock file for stores on this machine's disk; None if a server handles concurrent access itself."""
        if self.sqlite_path is not None:
            return self.sqlite_path.with_name(self.sqlite_path.name + ".lock")
        if self.scheme == "file":
            folder = Path(unquote(urlsplit(self.raw).path))
            return folder.with_name(folder.name + ".lock")
        return None

    @property
    def endpoint(self) -> tuple[str, int] | None:
        """Return host and port to try before MLflow does; None if there is none or a proxy is in between."""
        parts = urlsplit(self.raw)
        port = parts.port or DEFAULT_PORTS.get(self.scheme)
        if not parts.hostname or port is None:
            return None
        proxied = self.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname)
        return None if proxied else (parts.hostname, port)
