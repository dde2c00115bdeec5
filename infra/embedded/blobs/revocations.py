"""What signed URLs do no more before they expire, as empty files that every process sees."""

import contextlib
import os
import re
import time
from pathlib import Path

from domain import errors
from infra.rules import blob_names

_KEPT = 2 * 24 * 3600.0
"""Seconds: longer than any URL is good for."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Revocations:
    """Under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at = str(folder)

    @classmethod
    def of(cls, data_dir: Path) -> "Revocations":
        """Those of the host of a data folder."""
        return cls(data_dir / "blob-state" / "revoked")

    def revoke(self, id: str) -> None:
        """The URL of that id does nothing any more. Raises Invalid for what is no id."""
        self._note(_url(id))

    def close(self, container: str) -> None:
        """No URL writes or deletes in the container any more."""
        self._note(_closed(container))

    def check(self, id: str) -> None:
        """Raises Forbidden for a URL that was taken back."""
        if id and self._is_noted(_url(id)):
            raise errors.Forbidden("The URL has been taken back.", code="RevokedSignature")

    def check_open(self, container: str) -> None:
        """Raises Forbidden."""
        if self._is_noted(_closed(container)):
            raise errors.Forbidden(
                "What was uploaded here is registered as a version, and a version never changes: "
                "nothing is written or deleted here any more. Start another upload.",
                code="UploadClosed",
            )

    def sweep(self) -> None:
        """Forget what concerns no URL that could still be good."""
        before = time.time() - _KEPT
        with contextlib.suppress(FileNotFoundError):
            for entry in list(os.scandir(self._folder)):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)

    def _is_noted(self, name: str) -> bool:
        # Asked of each URL of many: no Path is made, and nothing raised, for it.
        return os.access(f"{self._at}/{name}", os.F_OK)

    def _note(self, name: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / name).touch(mode=0o600)


def _url(id: str) -> str:
    if not _ID.fullmatch(id):
        raise errors.Invalid(
            "That is no signed URL with an id (si=...) of its own; it cannot be taken back alone."
        )
    return f"url-{id}"


def _closed(container: str) -> str:
    return f"closed-{blob_names.check_container(container)}"
