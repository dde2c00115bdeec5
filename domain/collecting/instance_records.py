"""What scripts collect: instances hold it for a moment, and a gateway comes for it.

No request waits for that, and an instance needs no credential of the store. A gateway comes to
the instances of a deployment for a while after each of its requests.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from domain.collecting.collected_record import JSON, CollectedRecord
from domain.collecting.record_writing import Collector, Lost, RecordWriting
from domain.ground.flushing import Flushing
from domain.ports import BrokenOff, Instance, InstanceLost, Scorer, ScoringRequest, Serving
from domain.scoring.scoring_bodies import close

_log = logging.getLogger("ml_endpoints.collecting")

_ASK: Final = ScoringRequest("POST", "/collected", "", (), b"")
_LIMIT: Final = 5.0
_MOST: Final = 32 * 2**20
_MORE: Final = 2**20
"""Bytes of an answer from which on there may be more."""
_KEPT_ON: Final = 60.0
"""Seconds after a deployment's last request for which its instances are asked."""


@dataclass
class _Noticed:
    collector: Collector
    key: str
    at: float
    seen: dict[str, Instance] = field(default_factory=dict)


class InstanceRecords:
    """One gateway's, on one event loop. An instance gives each record to one gateway."""

    def __init__(
        self, serving: Serving, scorer: Scorer, writing: RecordWriting, *, period: float
    ) -> None:
        self._serving = serving
        self._scorer = scorer
        self._writing = writing
        self._noticed: dict[str, _Noticed] = {}
        self._flushing = Flushing(self.fetch, lambda: bool(self._noticed), period=period)

    def notice(self, key: str, collector: Collector) -> None:
        """An instance of this deployment has answered, and may have collected."""
        now = asyncio.get_running_loop().time()
        noticed = self._noticed.get(key)
        if noticed is None:
            self._noticed[key] = _Noticed(collector, key, now)
        else:
            noticed.collector, noticed.at = collector, now
        self._flushing.ask()

    async def fetch(self) -> None:
        """Come for what is there now."""
        await asyncio.gather(*(self._fetch_of(each) for each in list(self._noticed.values())))

    async def close(self, *, grace: float) -> None:
        await self._flushing.end()
        try:
            async with asyncio.timeout(grace):
                await self.fetch()
        except TimeoutError:
            _log.warning("What instances have collected was not fetched within %g s.", grace)
        self._noticed.clear()

    async def _fetch_of(self, noticed: _Noticed) -> None:
        before = noticed.seen
        now = {each.id: each for each in self._serving.instances(noticed.key)}
        # Those that are on their way out wait a moment for being asked a last time.
        asked = {**before, **now}
        noticed.seen = now
        found = await asyncio.gather(*(self._fetch(noticed, each) for each in asked.values()))
        is_old = asyncio.get_running_loop().time() - noticed.at > _KEPT_ON
        if is_old and not any(found):
            self._noticed.pop(noticed.key, None)

    async def _fetch(self, noticed: _Noticed, instance: Instance) -> bool:
        """Whether there was something."""
        came = False
        while True:
            try:
                content = await self._asked(instance)
            except (InstanceLost, BrokenOff, TimeoutError):
                return came
            for line in content.split(b"\n"):
                if line:
                    came = True
                    self._take(noticed.collector, line)
            if len(content) < _MORE:
                return came

    async def _asked(self, instance: Instance) -> bytes:
        async with asyncio.timeout(_LIMIT):
            answer = await self._scorer.score(instance, _ASK, timeout=_LIMIT)
            content = await _whole(answer.body)
        return content if answer.status == 200 else b""

    def _take(self, collector: Collector, line: bytes) -> None:
        """What comes from an instance is a script's word: it may say of itself what it likes, and
        of others nothing."""
        told = _told(line)
        if told is None:
            self._writing.lose(collector, "", Lost.NOT_READABLE)
            return
        collection = told.get("collection")
        known = collector.rules.of_script
        if not isinstance(collection, str) or collection not in known:
            self._writing.lose(collector, "", Lost.NOT_READABLE)
            return
        lost = told.get("lost")
        if isinstance(lost, int):
            if 0 < lost < 2**53:
                self._writing.lose(collector, collection, Lost.NO_ROOM, lost)
            return
        self._writing.put(collector, collection, _record(told))


def _told(line: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _record(told: dict[str, Any]) -> CollectedRecord:
    data = told.get("data")
    content = data if isinstance(data, str) else json.dumps(data)
    correlation = _text(told.get("correlation")) or str(uuid4())
    attributes = {
        "modelversion": _text(told.get("model")) or "default",
        "collectdatatype": _text(told.get("type")),
        "agent": _text(told.get("agent")),
        "xrequestid": _text(told.get("request")) or correlation,
    }
    extra = told.get("headers")
    if isinstance(extra, dict):
        named = list(extra.items())[:20]
        own = {_attribute(name): _text(value) for name, value in named}
        attributes = {**own, **attributes}
    attributes.pop("", None)
    return CollectedRecord(
        id=str(uuid4()),
        time=_time(told.get("time")),
        correlation=correlation,
        content_type=_text(told.get("contentType")) or JSON,
        data=content.encode("utf-8", "replace"),
        attributes=attributes,
    )


def _time(told: object) -> datetime:
    if isinstance(told, int | float) and 0 < told < 2**33:
        return datetime.fromtimestamp(told, UTC)
    return datetime.now(UTC)


def _text(value: object) -> str:
    return str(value)[:400] if isinstance(value, str | int | float) else ""


def _attribute(name: object) -> str:
    """As CloudEvents writes names."""
    return "".join(each for each in str(name)[:60].lower() if each.isascii() and each.isalnum())


async def _whole(body: AsyncIterator[bytes] | bytes) -> bytes:
    if isinstance(body, bytes):
        return body
    content = bytearray()
    try:
        async for piece in body:
            content += piece
            if len(content) > _MOST:
                raise InstanceLost("It gave more than can be taken at once.", sent=True)
    finally:
        await close(body)
    return bytes(content)
