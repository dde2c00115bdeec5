"""The files of a job's inputs, as they are there when the job is planned."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress

from domain.assets.datastore import SYSTEM_CONTAINER
from domain.errors import BlobNotFound, Invalid, NotFound
from domain.jobs.planning.inventory_files import listed_in
from domain.jobs.records.batch_job import InputKind, JobInput
from domain.jobs.records.globs import NameFilter
from domain.jobs.records.job_plan import PlannedFile, PlanSource, lines_of
from domain.ports import BlobStore


class NoInput(NotFound):
    code = "InputNotFound"

    def __init__(self, inputs: Sequence[JobInput]) -> None:
        uris = ", ".join(f"'{each.shown_uri}'" for each in inputs)
        matching = " that its globs take" if any(i.include or i.exclude for i in inputs) else ""
        globs = any(set(each.path) & set("*?") for each in inputs)
        advice = " A uri has no globs: name the folder, and choose by include." if globs else ""
        super().__init__(f"There are no files{matching} under {uris}, so nothing to score.{advice}")


def sources_of(inputs: Sequence[JobInput]) -> tuple[PlanSource, ...]:
    """One for each input. The files of several inputs are told apart by the inputs' names."""
    several = len(inputs) > 1
    return tuple(
        PlanSource(
            container=each.container,
            root=_root_of(each),
            prefix=f"{each.name}/" if several else "",
        )
        for each in inputs
    )


async def files_of(
    inputs: Sequence[JobInput], sources: Sequence[PlanSource], blobs: BlobStore
) -> AsyncGenerator[PlannedFile, None]:
    """Input by input in the order given, nested folders walked; within one in order of name.
    Raises NotFound for a file that is not there."""
    for number, (input, source) in enumerate(zip(inputs, sources, strict=True)):
        root, prefix = len(source.root), source.prefix
        filter = NameFilter(input.include, input.exclude)
        takes = None if filter.is_all else filter.takes
        async for name, etag, size in _blobs_of(input, source.root, blobs):
            path = name[root:]
            if takes is None or takes(path):
                yield PlannedFile(prefix + path, etag, size, number)


async def _blobs_of(
    input: JobInput, root: str, blobs: BlobStore
) -> AsyncIterator[tuple[str, str, int]]:
    """Name, ETag and size of each."""
    match input.kind:
        case InputKind.FOLDER if input.inventory is not None:
            inventory = (input.inventory.container, input.inventory.path)
            async for listed in listed_in(blobs, inventory, input.container, root):
                yield listed
        case InputKind.FOLDER:
            empty = True
            async for blob in blobs.list(input.container, root):
                empty = False
                yield blob.name, blob.etag, blob.size
            if empty:
                await _refuse_file(input, blobs)
        case InputKind.DROP:
            if input.manifest is None:
                raise Invalid("A drop has a manifest.")
            async for line in lines_of(blobs, SYSTEM_CONTAINER, input.manifest):
                name, etag, size = json.loads(line)[:3]
                yield name, etag, size
        case InputKind.FILE | InputKind.WEB_FILE:
            try:
                blob = await blobs.properties(input.container, input.path)
            except BlobNotFound:
                await _refuse_folder(input, blobs)
                raise NotFound(
                    f"There is no file at '{input.shown_uri}'.", code="InputNotFound"
                ) from None
            yield blob.name, blob.etag, blob.size


async def _refuse_folder(input: JobInput, blobs: BlobStore) -> None:
    async for _ in blobs.list(input.container, f"{input.path}/"):
        raise Invalid(
            f"'{input.shown_uri}' is a folder; say so with jobInputType UriFolder.",
            code="InputNotFound",
        ) from None


async def _refuse_file(input: JobInput, blobs: BlobStore) -> None:
    if not input.path:
        return
    with suppress(BlobNotFound):
        await blobs.properties(input.container, input.path)
        raise Invalid(
            f"'{input.shown_uri}' is a file; say so with jobInputType UriFile.",
            code="InputNotFound",
        )


def _root_of(input: JobInput) -> str:
    """What stands before a file's path in the name of its blob."""
    if input.kind in (InputKind.FILE, InputKind.WEB_FILE):
        folder, slash, _ = input.path.rpartition("/")
        return folder + slash
    return f"{input.path}/" if input.path else ""
