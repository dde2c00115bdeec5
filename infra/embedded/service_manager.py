"""What is told to the service manager that has started this process (systemd's sd_notify)."""

import contextlib
import socket
from collections.abc import MutableMapping

_VARIABLE = "NOTIFY_SOCKET"


class ServiceManager:
    """Nobody, where none has said where it listens. What says so is taken out of `environment`,
    for it is not meant for processes that this one starts."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        place = environment.pop(_VARIABLE, "")
        # A name that begins with `@` is in the abstract namespace.
        self._place = f"\0{place[1:]}" if place.startswith("@") else place

    def tell(self, state: str) -> None:
        """`READY=1`, `STOPPING=1`. A manager that does not listen hears nothing."""
        if not self._place:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaking,
        ):
            speaking.setblocking(False)
            speaking.connect(self._place)
            speaking.sendall(state.encode())
