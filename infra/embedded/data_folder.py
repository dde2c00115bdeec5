"""The data folder: where things are in it, and that one host at a time has it."""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

INBOX = "batch-inbox"


class DataFolderInUse(Exception):
    """Another host has the folder."""


@dataclass(frozen=True)
class DataFolder:
    """The places under one data folder."""

    root: Path

    @property
    def documents(self) -> Path:
        return self.root / "documents.db"

    @property
    def queues(self) -> Path:
        return self.root / "queues.db"

    @property
    def audit(self) -> Path:
        return self.root / "audit.db"

    @property
    def figures(self) -> Path:
        return self.root / "figures.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def receipts(self) -> Path:
        return self.root / "blob-state" / "receipts.db"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def inbox(self) -> Path:
        """The folder that is the `batch-inbox` container."""
        return self.blobs / INBOX

    @property
    def successors(self) -> Path:
        """The socket at which a running host is asked for its place."""
        return self.root / "successors.sock"

    @property
    def connection(self) -> Path:
        return self.root / "connection.json"

    @property
    def paused(self) -> Path:
        """While it is there, a host that starts does nothing by itself."""
        return self.root / "PAUSED"

    def make(self) -> None:
        """The folder itself, for its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)


class HostLock:
    """Held by the host of a data folder for as long as its process lives, however it ends.
    `handle`, passed to another process, makes that one hold it too."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    @classmethod
    def on(cls, folder: DataFolder) -> "HostLock":
        """Raises DataFolderInUse at once when another process holds it."""
        handle = os.open(folder.root / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.closing(os.fdopen(handle)) as file:
                holder = file.read(20).strip() or "unknown"
            raise DataFolderInUse(
                f"the data folder {folder.root} is in use by another host (process {holder})"
            ) from None
        lock = cls(handle)
        lock.name_holder()
        return lock

    def name_holder(self) -> None:
        """This process is who others are told of."""
        os.ftruncate(self.handle, 0)
        os.pwrite(self.handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self.handle)
