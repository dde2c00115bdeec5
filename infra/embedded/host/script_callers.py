"""Whether a request comes from a script of this host's own, by the user that its socket has.

The kernel tells whose the other end of a connection is, where that is on this machine. Scripts run
as users of their own there, where the host may give them some.
"""

import contextlib
import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.identities.managed_identity import resource_in
from infra.web.token_verifier import VERSION_CLAIM

_BY_FAMILY: Final = 20
_REQUEST: Final = 1
_ERROR: Final = 2
_NETLINK_SOCK_DIAG: Final = 4
_ALL_STATES: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_OWNER: Final = 80
"""Where in an answer the user stands, and the inode after it."""


_REFUSAL: Final = {
    "error": {
        "code": "ScriptNotAllowed",
        "message": "The control plane answers no scoring script of this host but by a token of its "
        "deployment's managed identity. Scoring URIs, jobs and blobs are reached by their own.",
    }
}

Endpoint = Callable[[Request], Awaitable[Response]]


class _Owner(NamedTuple):
    user: int
    inode: int


class ScriptCallers:
    """`users` are those that scripts run as; none where they run as the host's user, and cannot be
    told from others. `is_node` tells of an address whether scripts run there."""

    def __init__(
        self, users: Callable[[], range], is_node: Callable[[str], Awaitable[bool]]
    ) -> None:
        self._users = users
        self._is_node = is_node

    def kept_from(self, endpoint: Endpoint) -> Endpoint:
        """`endpoint` for everybody else; a script is answered 403, unless it shows who it is
        itself: a token of an identity that its deployment was given."""

        async def guarded(request: Request) -> Response:
            is_script = self.is_one(request.scope) or await self._is_node(_peer(request.scope))
            if is_script and not _is_its_own(request):
                return JSONResponse(_REFUSAL, 403)
            return await endpoint(request)

        return guarded

    def is_one(self, scope: Mapping[str, Any]) -> bool:
        """Of the request's connection. One on this machine whose end is closed already, or cannot
        be told, counts as a script's."""
        users = self._users()
        if not users or not scope.get("client") or not scope.get("server"):
            return False
        # What a proxy says of its own caller is not whose the connection is.
        peer, own = scope.get("peer", scope["client"]), scope["server"]
        if not _is_here(peer[0]):
            return False
        owner = _owner(peer, own)
        return owner is None or not owner.inode or owner.user in users


async def no_nodes(_: str) -> bool:
    """Scripts run on this machine alone."""
    return False


def _peer(scope: Mapping[str, Any]) -> str:
    """What a proxy says of its own caller is not whose the connection is."""
    peer = scope.get("peer") or scope.get("client")
    return str(peer[0]) if peer else ""


def _is_its_own(request: Request) -> bool:
    """Whether the token that is shown says that it is a managed identity's: whether that is true is
    for whoever verifies it, and no other token can be made to say it."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.casefold() != "bearer":
        return False
    try:
        claims = jwt.decode(token.strip(), options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return False
    return resource_in(str(claims.get(VERSION_CLAIM, ""))) is not None


def _is_here(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


def _owner(peer: tuple[str, int], own: tuple[str, int]) -> _Owner | None:
    """Of the socket whose own end is `peer`; None if there is none."""
    here, there = ip_address(peer[0]), ip_address(own[0])
    family = socket.AF_INET if here.version == 4 else socket.AF_INET6
    question = (
        struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, _ALL_STATES)
        + struct.pack(">HH", peer[1], own[1])
        + here.packed.ljust(16, b"\0")
        + there.packed.ljust(16, b"\0")
        + struct.pack("=I", 0)
        + _NO_COOKIE
    )
    head = struct.pack("=IHHII", 16 + len(question), _BY_FAMILY, _REQUEST, 1, 0)
    with contextlib.suppress(OSError):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as sockets:
            sockets.send(head + question)
            answer = sockets.recv(4096)
        (kind,) = struct.unpack_from("=H", answer, 4)
        if kind != _ERROR:
            return _Owner(*struct.unpack_from("=II", answer, _OWNER))
    return None
