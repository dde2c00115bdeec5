"""Drives a blob-triggered function by what lands in its container, however it gets there:
through the blob store, or, where that is a folder, by `cp`, `mv`, a sync tool."""

import asyncio
import contextlib
import heapq
import io
import json
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.functions.meta import Datum

from domain.errors import BlobNotFound, DomainError
from domain.ground.grouping import Grouped
from domain.ports import BlobProperties, BlobStore
from infra.embedded.arrivals.arrival_sources import ArrivalSource
from infra.embedded.arrivals.folder_watch import Arrival, Signature
from infra.embedded.arrivals.receipts import Receipt, Receipts
from infra.embedded.host.functions import HostedFunction, converted
from infra.embedded.host.invocation import begin
from infra.rules.blob_names import fault_of

_log = logging.getLogger(__name__)

_LOOK = 0.2
_FULL_LOOK = 1.0
_IDLE_LOOK = 0.5
_IDLE_AFTER = 30.0
"""Seconds without an arrival after which nobody is taken to be at work there."""
_SHARE = 20
"""Looking may take a twentieth of a core at most: a slow look makes the next one later."""
_BUSY_SHARE = 4
"""While files keep landing: what is seen late is handled late."""
_TOGETHER = 100
"""Blobs looked at in one go."""
_HANDED_OUT = 500
"""Whose receipts are asked for in one go."""
_PRUNE = 3600.0
_FIRST_DELAY = 0.5
_PLACEHOLDER = re.compile(r"\{[^{}]+\}")


@dataclass(frozen=True)
class Arriving:
    """How arrivals are handled: `parallel` at once, `tries` times each."""

    parallel: int
    tries: int
    first_delay: float = _FIRST_DELAY
    look: float = _LOOK


class BlobArrivals:
    """One function on one container. Every blob that comes to rest, and matches the
    trigger's path, is delivered until a delivery succeeds, and not again after that for as
    long as its ETag is the same; a crash between the two delivers it once more. After
    `tries` failures it is given up, logged as poison, until it changes."""

    def __init__(
        self,
        function: HostedFunction,
        source: ArrivalSource,
        blobs: BlobStore,
        receipts: Receipts,
        arriving: Arriving,
    ) -> None:
        self._function = function
        self._container, self._pattern = path_pattern(str(function.trigger["path"]))
        self._source = source
        self._blobs = blobs
        self._receipts = receipts
        self._arriving = arriving
        self._arrived: asyncio.Queue[tuple[Arrival, Receipt | None]] = asyncio.Queue(1000)
        self._again: list[tuple[float, str, Arrival]] = []
        self._to_hand_out: list[Arrival] = []
        """The source tells of none of these again: they stay here until they are handed out."""
        self._forgotten: set[str] = set()
        self._describe = Grouped(source.describe, _TOGETHER)
        self._looking: asyncio.Task[None] | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._busy: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()

    @property
    def container(self) -> str:
        return self._container

    def start(self) -> None:
        self._looking = asyncio.create_task(self._watch(), name=f"watch {self._container}")
        self._workers = [
            asyncio.create_task(self._work(), name=f"arrivals {self._container}")
            for _ in range(self._arriving.parallel)
        ]

    async def stop(self, grace: float) -> None:
        """Look no more; deliveries under way have `grace` seconds to end. What was not
        delivered arrives anew at the next start."""
        tasks = [task for task in (self._looking, *self._workers) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._busy:
            await asyncio.wait(list(self._busy), timeout=grace)
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _watch(self) -> None:
        source = self._source
        await source.start(await self._settled())
        full_at = prune_at = 0.0
        landed_at = time.monotonic()
        while True:
            began = time.monotonic()
            full = began >= full_at
            arrivals: Sequence[Arrival] = ()
            for name in self._forgotten:
                source.forget(name)
            self._forgotten.clear()
            try:
                arrivals = await source.look(full=full)
                took = time.monotonic() - began
                await self._hand_out(arrivals)
                if began >= prune_at:
                    await self._receipts.prune(source.is_there)
                    prune_at = began + _PRUNE
            except Exception as error:  # Whatever goes wrong once must not end the watching.
                _log.warning("the arrivals of %s cannot be looked for: %s", self._container, error)
                took = 1.0
            if full:
                full_at = began + max(_FULL_LOOK, took * _SHARE)
            share = _BUSY_SHARE if arrivals else _SHARE
            landed_at = began if arrivals else landed_at
            look = self._arriving.look if began < landed_at + _IDLE_AFTER else _IDLE_LOOK
            pause = max(look, source.interval, 0 if full else took * share)
            await asyncio.sleep(pause)

    async def _settled(self) -> dict[str, Signature]:
        while True:
            try:
                return await self._receipts.settled()
            except DomainError as error:
                _log.warning("the receipts of %s cannot be read: %s", self._container, error)
                await asyncio.sleep(1)

    async def _hand_out(self, arrivals: Sequence[Arrival]) -> None:
        now = time.monotonic()
        due = []
        while self._again and self._again[0][0] <= now:
            due.append(heapq.heappop(self._again)[2])
        self._to_hand_out += due
        self._to_hand_out += [each for each in arrivals if self._is_wanted(each.name)]
        while self._to_hand_out:
            some = self._to_hand_out[:_HANDED_OUT]
            known = await self._receipts.of([arrival.name for arrival in some])
            for arrival in some:
                await self._arrived.put((arrival, known.get(arrival.name)))
            del self._to_hand_out[: len(some)]

    def _is_wanted(self, name: str) -> bool:
        if not self._pattern.fullmatch(name):
            return False
        fault = fault_of(name)
        if fault is not None and name not in self._refused and len(self._refused) < 1000:
            self._refused.add(name)
            _log.warning("%r in %s is left alone: %s", name, self._container, fault)
        return fault is None

    async def _work(self) -> None:
        while True:
            arrival, receipt = await self._arrived.get()
            # A task of its own: stopping the worker need not stop the delivery.
            delivery = asyncio.create_task(self._deliver(arrival, receipt))
            self._busy.add(delivery)
            delivery.add_done_callback(self._busy.discard)
            await asyncio.shield(delivery)

    async def _deliver(self, arrival: Arrival, receipt: Receipt | None) -> None:
        name, signature = arrival.name, arrival.signature
        tries = 0
        try:
            blob = await self._describe(name)
            if isinstance(blob, DomainError):
                raise blob
            same = receipt is not None and receipt.etag == blob.etag
            tries = receipt.tries if receipt is not None and same else 0
            if blob.size != signature.size:
                self._forgotten.add(name)  # Still being written after all.
            elif receipt is not None and same and receipt.settled:
                await self._receipts.write(name, Receipt(blob.etag, signature, tries, True))
            else:
                tries += 1
                settled = await self._invoke(blob, arrival.landed, tries)
                await self._receipts.write(name, Receipt(blob.etag, signature, tries, settled))
                if not settled:
                    self._retry(arrival, tries)
        except BlobNotFound:
            self._forgotten.add(name)
        except DomainError as error:
            _log.warning("%s/%s is tried again: %s", self._container, name, error)
            self._retry(arrival, max(1, tries))

    async def _invoke(self, blob: BlobProperties, landed: int, tries: int) -> bool:
        """True when there is nothing more to do about it."""
        begin(self._function.name)
        place = f"{self._container}/{blob.name}"
        try:
            with contextlib.closing(self._source.body(blob.name)) as body:
                await self._function.call(
                    input_stream(
                        blob,
                        datetime.fromtimestamp(landed / 1e9, UTC),
                        body,
                        container=self._container,
                        url=self._blobs.url(self._container, blob.name),
                    )
                )
        except Exception:  # A failed delivery is tried again, whatever it raised.
            if tries >= self._arriving.tries:
                _log.exception("%s gave up on %s: poison", self._function.name, place)
                return True
            _log.warning("%s failed on %s", self._function.name, place, exc_info=True)
            return False
        return True

    def _retry(self, arrival: Arrival, tries: int) -> None:
        due = time.monotonic() + self._arriving.first_delay * 2 ** min(tries - 1, 8)
        heapq.heappush(self._again, (due, arrival.name, arrival))


def input_stream(
    blob: BlobProperties, landed: datetime, body: io.RawIOBase, *, container: str, url: str
) -> Any:
    """What a blob's function is called with; `body` is read when the function does."""
    # In the cloud a blob is last modified when it lands; a file may be renamed in later.
    properties = {
        "ContentLength": blob.size,
        "ContentType": blob.content_type,
        "ETag": blob.etag,
        "LastModified": max(blob.last_modified, landed).isoformat(),
    }
    metadata = {
        "BlobTrigger": Datum(f"{container}/{blob.name}", "string"),
        "Uri": Datum(url, "string"),
        "Properties": Datum(json.dumps(properties), "json"),
        "Metadata": Datum(json.dumps(dict(blob.metadata)) if blob.metadata else "{}", "json"),
    }
    stream = converted("blobTrigger", Datum(b"", "bytes"), metadata)
    # The converter takes a body of bytes only, and a file of any size must not be read
    # into memory for a function that may never look at it.
    stream._io = body
    return stream


def path_pattern(path: str) -> tuple[str, "re.Pattern[str]"]:
    """The container of a trigger's path, and what its blobs' names must match: as Functions
    has it, `{x}` stands for anything, `/` included."""
    container, _, rest = path.strip("/").partition("/")
    literals = [re.escape(literal) for literal in _PLACEHOLDER.split(rest or "{name}")]
    return container, re.compile("(.+)".join(literals), re.DOTALL)
