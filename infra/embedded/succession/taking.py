"""Taking a host's place: from its work being given until it is gone."""

import asyncio
import contextlib
import logging

from infra.compute.succession import Instances, Succession
from infra.embedded.stores import Stores
from infra.embedded.succession.channel import Channel, written

_log = logging.getLogger(__name__)

_LOOK = 0.05
_LOOKS_FOR_MESSAGES = 5
_LONGEST = 1800.0
"""Seconds to bring up what the predecessor serves, before its callers are taken over anyway."""


class Taking:
    """`succession` is the compute's, where it runs models. `close` lets the predecessor know that
    this host is gone: last of all, for then it may take back what it gave."""

    def __init__(self, channel: Channel, stores: Stores, succession: Succession | None) -> None:
        self._channel = channel
        self._stores = stores
        self._succession = succession
        self._told: Instances = {}
        self._gone = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._listen(), name="predecessor"),
            asyncio.create_task(self._speak(), name="tell predecessor"),
        ]

    async def come_up(self, stop: asyncio.Event) -> None:
        """Returns once this host serves what the predecessor serves, or has to (it is gone), or
        `stop`. Raises DoesNotComeUp."""
        loop = asyncio.get_running_loop()
        at_last = loop.time() + _LONGEST
        while self._succession is not None and not (stop.is_set() or self._gone.is_set()):
            lacking = await self._succession.lacking()
            if not lacking:
                return
            if loop.time() > at_last:
                _log.warning("not up yet, and taken over: %s", ", ".join(lacking))
                return
            await asyncio.sleep(_LOOK)

    async def ready(self) -> None:
        """New connections are answered here: the predecessor ends what it has, and goes."""
        await self._channel.say(ready=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._channel.close()

    async def _listen(self) -> None:
        while await self._channel.hear() is not None:
            pass
        self._gone.set()
        if self._succession is not None:
            self._succession.is_alone()

    async def _speak(self) -> None:
        """For as long as the predecessor answers requests: it sends messages, and needs
        instances that only this host has."""
        looks = 0
        while not self._gone.is_set():
            looks += 1
            if looks % _LOOKS_FOR_MESSAGES == 0:
                self._stores.look_again()
            own = {} if self._succession is None else self._succession.own()
            if own != self._told:
                self._told = own
                await self._channel.say(instances=written(own))
            await asyncio.sleep(_LOOK)
