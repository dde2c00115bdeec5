"""The file that says how an endpoint's drops are gathered and scored, and the one beside it
that says why they are not. Both lie in the endpoint's folder of the inbox."""

import contextlib
import logging
from dataclasses import dataclass

from domain.assets.datastore import INBOX
from domain.drops.blob_drop import ERROR_FILE, OPTION_FILES, BlobDrop
from domain.drops.drop_options import MOST_BYTES, BadOptions, DropOptions, parse
from domain.drops.option_checking import OptionChecking
from domain.errors import BlobNotFound, DomainError, Invalid, StaleETag
from domain.jobs.records.job_plan import read_whole
from domain.ports import BlobProperties, BlobStore

_log = logging.getLogger("ml_endpoints.drop")


@dataclass(frozen=True)
class FoundOptions:
    """`options` is None where there is no such file. `told`: an error file is there."""

    options: DropOptions | None
    told: bool


class OptionFiles:
    def __init__(self, blobs: BlobStore, checking: OptionChecking) -> None:
        self._blobs = blobs
        self._checking = checking

    async def read(self, folder: str) -> FoundOptions:
        """What the folder has now. Raises Invalid, saying everything that is wrong."""
        files: list[BlobProperties] = []
        told = False
        async for blob in self._blobs.list(INBOX, f"{folder}/_endpoint."):
            base = blob.name.removeprefix(f"{folder}/")
            told = told or base == ERROR_FILE
            if base in OPTION_FILES:
                files.append(blob)
        if len(files) > 1:
            names = " and ".join(blob.name.rpartition("/")[2] for blob in files)
            raise Invalid(f"There are both {names}; keep one.")
        if not files:
            return FoundOptions(None, told)
        [blob] = files
        name = blob.name.rpartition("/")[2]
        try:
            # One byte more than allowed: enough to see that it is too long.
            content = await read_whole(self._blobs, INBOX, blob.name, length=MOST_BYTES + 1)
        except (BlobNotFound, StaleETag):
            # It is being replaced; news of that is to come.
            return FoundOptions(None, told)
        try:
            return FoundOptions(parse(content, name), told)
        except BadOptions as refusal:
            if refusal.rest is None:
                raise
            others = await self._checking.faults(folder, refusal.rest)
            raise refusal.with_others(name, others) from None

    async def why_not(self, folder: str, options: DropOptions) -> str | None:
        """What a job that goes by `options` would be refused for now; None: nothing."""
        faults = await self._checking.faults(folder, options)
        return f"The options cannot be taken: {'; '.join(faults)}." if faults else None

    async def given(self, drop: BlobDrop) -> BlobDrop:
        """A drop that begins, with the options of now. What cannot be read holds it up when it
        is to be sealed, not here."""
        try:
            found = await self.read(drop.endpoint)
        except Invalid:
            return drop
        if found.told:
            await self.clear(drop.endpoint)
        return drop.but(options=found.options)

    async def review(self, folder: str) -> None:
        """Clear what is told of options that can be read now: nobody hears of it when a file is
        taken away."""
        with contextlib.suppress(BlobNotFound, Invalid):
            await self._blobs.properties(INBOX, f"{folder}/{ERROR_FILE}")
            await self.read(folder)
            await self.clear(folder)

    async def tell(self, folder: str, why: str) -> None:
        """Put the reason beside the options. That it cannot be put there holds nothing up."""
        text = (
            f"{why}\n\nThe files dropped here stay, and are scored once this is mended. This "
            "file goes away then.\n"
        )
        try:
            await self._blobs.write(
                INBOX, f"{folder}/{ERROR_FILE}", text.encode(), content_type="text/plain"
            )
        except DomainError as error:
            _log.warning("%s/%s cannot be written: %s", folder, ERROR_FILE, error.message)

    async def clear(self, folder: str) -> None:
        """What was wrong is mended."""
        try:
            await self._blobs.delete(INBOX, f"{folder}/{ERROR_FILE}")
        except DomainError as error:
            _log.warning("%s/%s cannot be removed: %s", folder, ERROR_FILE, error.message)
