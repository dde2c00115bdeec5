"""What scripts write to a folder of their own (AZUREML_BI_OUTPUT_PATH): listed and read at the door
of a node, by whoever brings it into a store."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from ..door.own import Question, Refusal, Reply, as_json

OUTPUT = "/node/output"
_PIECE = 1 << 20
_MOST = 1000
_MARK = ".ml-endpoints-mark"


class OwnFiles:
    """Below `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    async def answer(self, question: Question) -> Reply:
        """Raises Refusal."""
        asked = parse_qs(question.query)
        loop = asyncio.get_running_loop()
        path = asked.get("path", [""])[-1]
        if path:
            file = await loop.run_in_executor(None, self._open, path)
            return Reply(200, lines=_pieces(file))
        since = asked.get("since", ["0"])[-1]
        if not (since.isascii() and since.isdigit()):
            raise Refusal(400, "bad-request", f"since is {since!r}, not nanoseconds.")
        after = asked.get("after", [""])[-1]
        return as_json(200, await loop.run_in_executor(None, self._changed, int(since), after))

    def _changed(self, since: int, after: str) -> dict[str, Any]:
        """Paths of the files that changed at `since` or later, by the time of change of their
        inodes, which no script can set; those that follow on `after`. `now`: what is changed from
        here on has no earlier time."""
        now = self._now()
        found: list[str] = []
        for place, folders, names in os.walk(self._folder):
            folders.sort()
            for name in names:
                path = os.path.join(place, name)
                try:
                    seen = os.lstat(path)
                except FileNotFoundError:
                    continue
                relative = os.path.relpath(path, self._folder)
                if stat.S_ISREG(seen.st_mode) and seen.st_ctime_ns >= since and relative != _MARK:
                    found.append(relative)
        found = sorted(each for each in found if each > after)
        return {"now": now, "files": found[:_MOST], "more": len(found) > _MOST}

    def _now(self) -> int:
        mark = os.path.join(self._folder, _MARK)
        with open(mark, "wb"):
            pass
        now = os.stat(mark).st_ctime_ns
        os.unlink(mark)
        return now

    def _open(self, path: str) -> int:
        """No link is followed: a script may have put one there. Raises Refusal."""
        *folders, last = path.split("/")
        if any(each in ("", ".", "..") or "\0" in each for each in (*folders, last)):
            raise Refusal(400, "bad-request", f"{path[:200]!r} is no path below the folder.")
        try:
            above = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for each in folders:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                    below = os.open(each, flags, dir_fd=above)
                    os.close(above)
                    above = below
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                return os.open(last, flags, dir_fd=above)
            finally:
                os.close(above)
        except OSError as error:
            told = f"{path[:200]!r} cannot be read: {error.strerror}."
            raise Refusal(404, "not-found", told) from None


async def _pieces(file: int) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    try:
        while piece := await loop.run_in_executor(None, os.read, file, _PIECE):
            yield piece
    finally:
        os.close(file)
