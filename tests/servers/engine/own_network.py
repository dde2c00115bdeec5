"""A network of a test's own on this machine: what is started there neither sees nor disturbs what
others have, as an engine does that makes bridges and rules of a firewall."""

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self, TypeVar

from tests.servers.engine.dockerd import EngineMissing

T = TypeVar("T")

_NEW_NETWORK: Final = 0x40000000
_SET_FLAGS: Final = 0x8914
_UP: Final = 1


class OwnNetwork:
    """Whatever is `run` there, with all threads and processes that it begins, has nothing but a
    loopback interface at first. Raises EngineMissing where that cannot be had."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="own network")

    def run(self, what: Callable[[], T]) -> T:
        """One after the other."""
        return self._thread.submit(what).result()

    def __enter__(self) -> Self:
        try:
            self.run(_leave)
        except OSError as error:
            self._thread.shutdown()
            raise EngineMissing(f"there is no network of one's own here: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown()


def _leave() -> None:
    """The calling thread has a new one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))
