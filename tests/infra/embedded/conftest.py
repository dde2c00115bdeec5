"""What tests of the embedded host share: apps made on the spot."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import azure.functions as func
import httpx
import pytest

from infra.embedded.access.tls import ensure_certificates
from infra.embedded.host.functions import HostedFunction, index
from infra.embedded.host.http_app import Endpoint, HttpApp
from infra.embedded.http.door_limits import DoorLimits
from infra.embedded.http.http_server import HttpServer
from tests.kit.stages.ample_door import AMPLE
from tests.kit.stages.isolation import NO_SCRIPTS
from tests.kit.waiting import PATIENCE

Served = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    """Serve an app's HTTP functions, and give a client of it."""

    @asynccontextmanager
    async def serve(
        app: func.FunctionApp | None = None,
        *,
        exact: dict[str, Endpoint] | None = None,
        prefixes: list[tuple[str, Endpoint]] | None = None,
        tls: bool = False,
        grace: float = PATIENCE,
        limits: DoorLimits = AMPLE,
        headers: Sequence[tuple[str, str]] = (),
        log_requests: bool = False,
    ) -> AsyncIterator[httpx.AsyncClient]:
        functions: list[HostedFunction] = index(app, {}) if app is not None else []
        http_app = HttpApp(
            functions,
            exact=exact or {},
            prefixes=prefixes or [],
            log_requests=log_requests,
            scripts=NO_SCRIPTS,
            route_prefix="",
        )
        bound = socket.create_server(("127.0.0.1", 0))
        bound.setblocking(False)
        files = ensure_certificates(tmp_path / "tls") if tls else None
        server = HttpServer(http_app, bound, files, limits=limits, headers=headers, grace=grace)
        await server.start()
        port = bound.getsockname()[1]

        verify = ssl.create_default_context(cafile=files.ca) if files else False
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        try:
            async with httpx.AsyncClient(base_url=url, verify=verify, timeout=PATIENCE) as client:
                yield client
        finally:
            await server.stop()

    return serve
