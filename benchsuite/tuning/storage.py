"""Optuna's storage of trials: SQLite in the store's folder, a journal file where SQLite cannot lock, or any URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.errors import StoreError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "journal:"
"""Start of the address of a journal file."""

SQLITE = "sqlite:///"

SQLITE_TIMEOUT_S = 120
"""Time that a process waits for others that write to the database."""


LOCK_POLL_S = 0.01
"""A claim takes a few milliseconds."""


@dataclass(frozen=True)
class TrialStorage:
    """An open storage.

    Attributes:
        trials: Optuna's.
        lock_path: file to lock while trials are claimed; None if the storage orders claims itself.

    """

    trials: BaseStorage
    lock_path: Path | None = field(default=None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude other processes from claims during the block, where the storage does not.

        SQLite has no ``SELECT … FOR UPDATE``, with which Optuna keeps two processes from claiming one trial.
        """
        if self.lock_path is None:
            yield
            return
        from filelock import FileLock

        with FileLock(self.lock_path, mode=0o666, poll_interval=LOCK_POLL_S):
            yield


def default_address(folder: Path) -> str:
    """Return the address of the storage in a folder: SQLite, or a journal if the file system has no locks."""
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".probe.lock", mode=0o666):
            pass
    except (NotImplementedError, OSError):  # no file locks, as on some network mounts: SQLite could lose trials there
        return f"{JOURNAL}{folder / 'optuna.journal'}"
    return f"{SQLITE}{folder / 'optuna.db'}"


def open_storage(address: str) -> TrialStorage:
    """Open a storage and create what it lacks; several processes may do so at once.

    Args:
        address: ``sqlite:///FILE``, any other URL of SQLAlchemy's, or ``journal:FILE``.

    Raises:
        StoreError: if it cannot be opened; the message does not repeat a password.

    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if address.startswith(JOURNAL):
            return TrialStorage(_journal(Path(address.removeprefix(JOURNAL))))
        if not address.startswith(SQLITE):
            return TrialStorage(optuna.storages.RDBStorage(address))
        path = Path(address.removeprefix(SQLITE))
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock")
        # Processes that create the tables at the same time fail.
        with TrialStorage(None, lock).locked():  # type: ignore[arg-type] # the lock alone is used
            options = {"connect_args": {"timeout": SQLITE_TIMEOUT_S}}
            return TrialStorage(optuna.storages.RDBStorage(address, engine_kwargs=options), lock)
    except (OSError, ImportError, ValueError, SQLAlchemyError, RuntimeError) as error:
        kind = address.partition(":")[0]
        raise StoreError(
            f"cannot open the {kind} storage of trials ({type(error).__name__}); expected sqlite:///FILE, "
            "journal:FILE, or a database's URL whose driver is installed"
        ) from error


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path.parent.mkdir(parents=True, exist_ok=True)
    # Made with O_EXCL, which also network file systems have that know no locks.
    return JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
