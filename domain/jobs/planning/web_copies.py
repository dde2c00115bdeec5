"""Copies of web files: what a job reads at users' web addresses is fetched once, when the job is
planned, into the job's own folder (docs/adr/0013). Workers read the copy like any blob."""

import asyncio
import posixpath
import re
from urllib.parse import unquote, urlsplit

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.errors import BlobExists, BlobNotFound
from domain.jobs.records.batch_job import InputKind, JobInput
from domain.names import file_name_fault
from domain.ports import BlobStore, WebFileRefused, WebFiles, WebFileUnavailable

_LONGEST_NAME = 200
"""In bytes: file systems take 255."""
_EXTENSION = re.compile(r"(\.[A-Za-z0-9]{1,10})?\Z")
_TRIES = 3


def copies_folder(job: str) -> str:
    return f"jobs/{job}/web"


def file_name_of(url: str) -> str:
    """What the file at `url` is called: the last segment of the path, where it is a name."""
    name = unquote(posixpath.basename(urlsplit(url).path))
    is_name = file_name_fault(name) is None and len(name.encode()) <= _LONGEST_NAME
    if is_name:
        return name
    extension = _EXTENSION.search(name)
    return f"file{extension[0] if extension else ''}"


class WebCopies:
    """However often a job is planned, and by however many hosts, each of its web files is the
    first whole copy that was made of it."""

    def __init__(self, blobs: BlobStore, web: WebFiles, *, pause: float) -> None:
        self._blobs = blobs
        self._web = web
        self._pause = pause

    async def place(self, job: str, number: int, input: JobInput) -> JobInput:
        """The job's input `number`, with its copy in place if it is a web file. Raises
        WebFileRefused."""
        if input.kind is not InputKind.WEB_FILE:
            return input
        path = f"{copies_folder(job)}/{number}/{input.path}"
        copy = input.but(container=SYSTEM_CONTAINER, path=path)
        try:
            await self._blobs.properties(copy.container, copy.path)
        except BlobNotFound:
            await self._fetch(copy)
        return copy

    async def _fetch(self, copy: JobInput) -> None:
        tries = 0
        while True:
            tries += 1
            content = self._web.read(copy.uri)
            try:
                await self._blobs.write(copy.container, copy.path, content, if_absent=True)
            except BlobExists:
                return  # by another planner of this job
            except WebFileUnavailable as error:
                if tries == _TRIES:
                    raise WebFileRefused(f"{error.message} It was tried {tries} times.") from None
                await asyncio.sleep(self._pause * 2 ** (tries - 1))
            else:
                return
