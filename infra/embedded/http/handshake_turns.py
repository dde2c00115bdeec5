"""Whose TLS handshake is next: addresses take turns, so that many connections of one do not keep
those of others waiting."""

import socket
from collections import OrderedDict

from infra.embedded.http.caller_connection import CallerConnection


class HandshakeTurns:
    """Those who have begun to speak, in their order by address."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, OrderedDict[CallerConnection, socket.socket]] = (
            OrderedDict()
        )

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, connection: CallerConnection, accepted: socket.socket) -> None:
        of_address = self._waiting.setdefault(connection.counted_as, OrderedDict())
        of_address[connection] = accepted

    def next(self) -> tuple[CallerConnection, socket.socket]:
        """Raises KeyError when nobody waits."""
        address, of_address = self._waiting.popitem(last=False)
        connection, accepted = of_address.popitem(last=False)
        if of_address:
            self._waiting[address] = of_address
        return connection, accepted

    def remove(self, connection: CallerConnection) -> None:
        """It waits no more, if it did."""
        of_address = self._waiting.get(connection.counted_as)
        if of_address is None:
            return
        of_address.pop(connection, None)
        if not of_address:
            del self._waiting[connection.counted_as]
