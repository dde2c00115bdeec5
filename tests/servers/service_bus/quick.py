"""azure-servicebus sleeps in fixed steps: 50 ms between the steps of opening a link, and up to
a second when one is closed. On loopback that is nearly all the time that tests would take."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from azure.servicebus._pyamqp.aio import _client_async
from azure.servicebus.aio import _servicebus_receiver_async, _servicebus_sender_async

_STEP = 0.003


class _Quick:
    """asyncio as the SDK's modules see it, with shorter steps; nothing else is changed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(min(delay, _STEP if delay < 1 else 10 * _STEP))


@contextlib.contextmanager
def quick_sdk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (_client_async, _servicebus_receiver_async, _servicebus_sender_async):
            patch.setattr(module, "asyncio", _Quick())
        yield
