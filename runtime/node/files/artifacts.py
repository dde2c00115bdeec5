"""A node's model and code: fetched by signed URLs, checked, and put where processes read them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from ..faults import NOT_FOUND, NOT_READY, NodeFailed
from ..logs import Log
from ..spec import Artifact, File, Spec
from .download import Download, Mismatch, RanOut

_AT_ONCE = 4
_EVERY = 3.0


class Fetched(NamedTuple):
    """Folders, empty for none: `code` is the app's root."""

    code: str
    model: str


class Progress(NamedTuple):
    files: int
    of_files: int
    bytes: int
    of_bytes: int


class Artifacts:
    """Fetches below `folder`. `fetch` is called once, in a thread of its own; everything else
    from any thread."""

    def __init__(self, spec: Spec, folder: str, log: Log) -> None:
        self._spec = spec
        self._folder = folder
        self._log = log
        self._changed = threading.Condition()
        self._urls: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        """Files whose URLs have run out, and the URL that had."""
        self._files = {
            f"{kind}/{file.path}": file
            for kind, artifact in self._artifacts().items()
            for file in artifact.files
        }
        self._bytes: dict[str, int] = {}
        self._done = 0
        self._stopped = False
        self._told_at = 0.0

    def _artifacts(self) -> Mapping[str, Artifact]:
        model = {} if self._spec.model is None else {"model": self._spec.model}
        code = self._spec.code
        return {**model, "code": code} if code.files or code.path else model

    @property
    def progress(self) -> Progress:
        of_bytes = sum(file.size for file in self._files.values())
        fetched = sum(list(self._bytes.values()))
        return Progress(self._done, len(self._files), fetched, of_bytes)

    @property
    def wants_urls(self) -> list[str]:
        return sorted(self._wanted)

    def unknown(self, names: Mapping[str, str]) -> list[str]:
        return [name for name in names if name not in self._files]

    def refresh(self, urls: Mapping[str, str]) -> None:
        """From now on these files are read from here."""
        with self._changed:
            self._urls.update(urls)
            for name in [name for name in self._wanted if name in urls]:
                del self._wanted[name]
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def fetch(self) -> Fetched:
        """Everything is there, and as it should be. Raises NodeFailed."""
        began = time.monotonic()
        for kind, artifact in self._artifacts().items():
            self._tell_of(kind, artifact)
        try:
            self._fetch_all()
        except NodeFailed as failure:
            self._log.note(f"error: {failure.reason}")
            raise
        except OSError as error:
            reason = f"The files cannot be stored here: {error}."
            self._log.note(f"error: {reason}")
            raise NodeFailed(NOT_READY, reason) from None
        there = self._artifacts()
        fetched = Fetched(*(self._place(kind) if kind in there else "" for kind in Fetched._fields))
        for kind, folder in zip(Fetched._fields, fetched):  # noqa: B905 - Python 3.9
            if folder and not os.path.exists(folder):
                raise NodeFailed(NOT_FOUND, f"There is no folder {folder} for the {kind}.")
        self._log.note(f"Everything is there after {time.monotonic() - began:.1f} s.")
        return fetched

    def _fetch_all(self) -> None:
        # The largest first: none is begun when all others are done.
        names = sorted(self._files, key=lambda name: -self._files[name].size)
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
        try:
            for each in as_completed([pool.submit(self._fetch_file, name) for name in names]):
                each.result()
        except BaseException:  # whatever it is: the others are given up
            self.stop()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _place(self, kind: str) -> str:
        artifact = self._artifacts()[kind]
        return os.path.join(artifact.path or os.path.join(self._folder, kind), artifact.root)

    def _tell_of(self, kind: str, artifact: Artifact) -> None:
        if artifact.path:
            self._log.note(f"The {kind} is at {artifact.path}.")
            return
        size = sum(file.size for file in artifact.files)
        count = len(artifact.files)
        files = "1 file" if count == 1 else f"{count} files"
        self._log.note(f"The {kind} has {files}, {_size(size)}.")

    def _fetch_file(self, name: str) -> None:
        file = self._files[name]
        kind = name.partition("/")[0]
        target = os.path.join(self._folder, kind, *file.path.split("/"))
        began = time.monotonic()
        download = Download(file, target, lambda count: self._count(name, count))
        if download.is_there():
            self._log.note(f"{name}: there already.")
        else:
            self._try(name, file, download)
            seconds = time.monotonic() - began
            self._log.note(f"{name}: {_size(file.size)} in {seconds:.1f} s.")
        self._done += 1

    def _try(self, name: str, file: File, download: Download) -> None:
        mismatches = 0
        while not self._stopped:
            url = self._urls.get(name, file.url)
            try:
                download.run(url)
                return
            except RanOut as ran_out:
                self._log.note(f"{name}: {ran_out}; a fresh URL is waited for.")
                self._wait_for_url(name, url)
            except NodeFailed as failed:
                raise NodeFailed(failed.code, f"{name}: {failed.reason}") from None
            except Mismatch as mismatch:
                mismatches += 1
                if mismatches > 1:
                    raise NodeFailed(NOT_READY, f"{name} {mismatch}.") from None
                self._log.note(f"{name}: {mismatch}; it is fetched once more.")
        raise NodeFailed(NOT_READY, "The files were not fetched to their end.")

    def _wait_for_url(self, name: str, stale: str) -> None:
        seconds = self._spec.fetch_seconds
        with self._changed:
            if self._urls.get(name, self._files[name].url) != stale:
                return
            self._wanted[name] = stale
            came = self._changed.wait_for(
                lambda: self._stopped or name not in self._wanted, seconds
            )
            self._wanted.pop(name, None)
        if not came:
            reason = f"The URL of {name} has run out, and no fresh one came in {seconds:g} s."
            raise NodeFailed(NOT_READY, reason)

    def _count(self, name: str, count: int) -> None:
        if self._stopped:
            raise NodeFailed(NOT_READY, "The files were not fetched to their end.")
        self._bytes[name] = count
        now = time.monotonic()
        if now - self._told_at < _EVERY:
            return
        first, self._told_at = not self._told_at, now
        if not first:
            done = self.progress
            percent = 100 * done.bytes // max(done.of_bytes, 1)
            self._log.note(
                f"{_size(done.bytes)} of {_size(done.of_bytes)} ({percent} %), "
                f"{done.files} of {done.of_files} files."
            )


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count:,} bytes"
