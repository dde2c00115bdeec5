"""An embedded blob store behind a real HTTP server, in a thread of its own, so that clients
that block may talk to it too."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from starlette.requests import Request
from starlette.responses import Response

from infra.cloud.ample_room import AmpleRoom
from infra.embedded.access.tls import TlsFiles, ensure_certificates
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest import gathering
from infra.embedded.blobs.rest.bearers import BlobBearers
from infra.embedded.blobs.rest.bodies import CAPS, Caps
from infra.embedded.blobs.rest.door import BlobDoor
from infra.embedded.blobs.rest.requests import PREFIX
from infra.embedded.host.http_app import HttpApp
from infra.embedded.http.http_server import HttpServer
from tests.kit.composed import RoleVerifier, admission
from tests.kit.stages.ample_door import AMPLE
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore

T = TypeVar("T")


def bearers() -> BlobBearers:
    """Who shows the name of a role has it."""
    admitted = admission(RoleVerifier(), MemoryResourceStore(time.time))
    return BlobBearers(RoleVerifier(), admitted.door)


class DoorServer:
    """Serves one store after another at one address; `asked` counts requests by what is before a
    blob's name."""

    def __init__(self, tls: TlsFiles | None) -> None:
        self.tls = tls
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door")
        # Its protocol said, as the host does: only then does an answer leave at once.
        self._bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._bound.setblocking(False)
        self._bound.bind(("127.0.0.1", 0))
        self._bound.listen()
        self.port: int = self._bound.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        app = HttpApp(
            [],
            exact={},
            prefixes=[(PREFIX, self._answer), (gathering.PATH, self._gather)],
            scripts=NO_SCRIPTS,
            route_prefix="",
            log_requests=False,
        )
        self._server = HttpServer(app, self._bound, tls, limits=AMPLE, headers=(), grace=1)
        self._door: BlobDoor | None = None
        self.asked: Counter[str] = Counter()

    @property
    def ca(self) -> str:
        assert self.tls is not None
        return str(self.tls.ca)

    def start(self) -> None:
        self._thread.start()
        self.run(self._server.start())

    def stop(self) -> None:
        self.run(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the server's loop; blocks."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    @contextmanager
    def opened(self, folder: Path, caps: Caps = CAPS) -> Iterator[FileBlobStore]:
        """A store in `folder` that is served until the end."""
        store = FileBlobStore(folder, base_url=self.url, key=b"k" * 32)
        self._door = BlobDoor(store.files, store.signed_urls, bearers(), AmpleRoom(), caps)
        try:
            yield store
        finally:
            self._door = None
            self.run(store.close())

    async def _answer(self, request: Request) -> Response:
        self.asked[PREFIX] += 1
        return Response(status_code=503) if self._door is None else await self._door(request)

    async def _gather(self, request: Request) -> Response:
        door = self._door
        self.asked[gathering.PATH] += 1
        return Response(status_code=503) if door is None else await door.gathering(request)


@contextmanager
def serving(tls_folder: Path | None = None) -> Iterator[DoorServer]:
    """Over TLS with certificates in `tls_folder`, else over plain HTTP."""
    server = DoorServer(ensure_certificates(tls_folder) if tls_folder else None)
    server.start()
    try:
        yield server
    finally:
        server.stop()
