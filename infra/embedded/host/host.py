"""The embedded Functions host: drives every function of an app by its own bindings, on one
event loop, over the embedded services."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from domain.schedules.cron import CronError
from infra.embedded.access import issuer
from infra.embedded.access.certificates import Certificates
from infra.embedded.access.clients import TOKEN_PATH
from infra.embedded.access.connection_file import Connection, remove_connection
from infra.embedded.access.tls import TlsFiles
from infra.embedded.blobs.rest.requests import AZURE_PREFIX as AZURE_BLOBS
from infra.embedded.blobs.rest.requests import PREFIX as BLOBS
from infra.embedded.data_folder import INBOX
from infra.embedded.host import metrics_door
from infra.embedded.host.address import Address
from infra.embedded.host.functions import AppError, HostedFunction, import_app, index
from infra.embedded.host.host_json import HostJson
from infra.embedded.host.http_app import Endpoint, HttpApp
from infra.embedded.host.metrics_door import MetricsDoor
from infra.embedded.host.routes import RouteError
from infra.embedded.host.script_callers import ScriptCallers
from infra.embedded.host.work import HostWork, stopped
from infra.embedded.http.door_limits import limits_for
from infra.embedded.http.http_server import HttpServer
from infra.embedded.http.open_files import raise_open_files
from infra.embedded.http.transport_security import transport_security
from infra.embedded.nodes.node_callers import NodeCallers
from infra.embedded.services import EmbeddedServices
from infra.embedded.succession.predecessor import Predecessor
from infra.embedded.succession.successors import Successors
from infra.embedded.succession.taking import Taking

_log = logging.getLogger(__name__)

_CLOSE = 15.0


class Host:
    """One app on one data folder, which the caller has locked. `environment` is what
    `%SETTING%` in a binding refers to. With a predecessor, this host takes its place. Raises
    TooFewFiles."""

    def __init__(
        self,
        app: str,
        services: EmbeddedServices,
        address: Address,
        host_json: HostJson,
        environment: Mapping[str, str],
        successors: Successors,
        predecessor: Predecessor | None,
        *,
        log_requests: bool,
    ) -> None:
        self._app = app
        self._services = services
        self._address = address
        self._host_json = host_json
        self._environment = environment
        self._successors = successors
        self._predecessor = predecessor
        self._log_requests = log_requests
        self._grace = services.settings.embedded.stop_grace
        proxies = services.settings.reach.trusted_proxies
        self._limits = limits_for(services.settings.door, proxies, raise_open_files)
        self._ready = False
        self._figures = [*services.figures]

    async def run(self, stop: asyncio.Event, ready: Callable[[Connection], None]) -> None:
        """Serve until `stop`, or until a successor does; `ready` is called once everything
        answers. Then accept nothing new, let what is in flight end within the grace (for a
        successor, in its own time), and close. Raises AppError, NotGiven, DoesNotComeUp, and
        whatever the app raises while it is imported or started."""
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(self._successors.close)
            module, functions = self._imported()
            taking = await self._take(closing)
            closing.push_async_callback(_bounded, "the services", self._services.close)
            await self._services.start()
            await self._start(module, closing)
            certificates = Certificates.of(
                self._services.settings, self._services.folder.tls, self._address.names
            )
            tls = await certificates.ready() if self._address.tls else None
            if tls is not None:
                await self._services.identities.trust(tls.ca)
            try:
                http_app = self._http_app(functions)
                work = HostWork(functions, self._services, self._host_json)
            except (RouteError, CronError) as error:
                raise AppError(f"a function cannot be hosted: {error}") from error
            server = HttpServer(
                self._services.callers.before(http_app),
                self._address.bound,
                tls,
                limits=self._limits,
                headers=transport_security(self._services.settings.installation.base_url),
                grace=self._grace,
            )
            self._figures.append(server.text)
            self._services.door_figures.watch(server.connections)
            connection = await self._connection(tls)
            closing.push_async_callback(self._stop, server, work)
            work.start()
            if taking is not None:
                await taking.come_up(stop)
            if stop.is_set():
                return
            await server.start()
            if taking is not None:
                await taking.ready()
            if tls is not None:
                renewing = asyncio.create_task(certificates.keep(server.renew))
                closing.callback(renewing.cancel)
            await asyncio.to_thread(connection.write, self._services.folder)
            # What has been loaded stays; a collector that walks it holds every request up.
            gc.collect()
            gc.freeze()
            self._ready = True
            _log.info("ready at %s with %d functions", connection.url, len(functions))
            ready(connection)
            await self._until_followed_or(stop, server, work)
            _log.info("stopping")

    async def _until_followed_or(
        self, stop: asyncio.Event, server: HttpServer, work: HostWork
    ) -> None:
        stopping = asyncio.create_task(stop.wait())
        followed = asyncio.create_task(self._successors.followed(work))
        await asyncio.wait((stopping, followed), return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            # Before anything else ends: a script must not find this address any more.
            remove_connection(self._services.folder)
            followed.cancel()
            await asyncio.wait((followed,))
        else:
            followed.result()
            _log.info("a successor is ready: ending what is in flight")
            leaving = asyncio.create_task(server.leave())
            await asyncio.wait((stopping, leaving), return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
        stopping.cancel()
        self._ready = False

    async def _take(self, closing: contextlib.AsyncExitStack) -> Taking | None:
        """Another host's work is this one's."""
        if self._predecessor is None:
            return None
        channel, keys = await self._predecessor.take()
        succession = self._services.compute.succession
        taking = Taking(channel, self._services.stores, succession)
        closing.push_async_callback(taking.close)
        if succession is not None:
            succession.begin_beside(keys)
        return taking

    def _imported(self) -> tuple[ModuleType, list[HostedFunction]]:
        # The worker imports an app on its live event loop, and so does this.
        module, app = import_app(self._app)
        functions = index(app, self._environment)
        gc.freeze()
        gc.enable()
        return module, functions

    async def _start(self, module: ModuleType, closing: contextlib.AsyncExitStack) -> None:
        application = getattr(module, "application", None)
        close = getattr(application, "close", None)
        if close is not None:
            closing.push_async_callback(_bounded, "the application", close)
        start = getattr(application, "start", None)
        if start is not None:
            await start()

    async def _stop(self, server: HttpServer, work: HostWork) -> None:
        self._ready = False
        await stopped(server.stop(), work.stop(), grace=self._grace)

    def _http_app(self, functions: Sequence[HostedFunction]) -> HttpApp:
        services = self._services
        tokens, door = services.issuer, services.stores.door(services.bearers)
        exact: dict[str, Endpoint] = {
            "/healthz": _read(self._healthz),
            "/readyz": _read(self._readyz),
            metrics_door.PATH: MetricsDoor(
                self._figures, self._services.token_verifier, self._services.door
            ),
            TOKEN_PATH: tokens.token,
            issuer.KEYS_PATH: _read(tokens.keys),
            issuer.DISCOVERY_PATH: _read(tokens.discovery),
        }
        compute = services.compute
        return HttpApp(
            [f for f in functions if f.trigger_type == "httpTrigger"],
            exact=exact,
            prefixes=[(BLOBS, door), (AZURE_BLOBS, door)] if door else [],
            scripts=ScriptCallers(compute.script_users, NodeCallers(compute.networks)),
            route_prefix=self._host_json.route_prefix,
            log_requests=self._log_requests,
        )

    async def _connection(self, tls: TlsFiles | None) -> Connection:
        client = await asyncio.to_thread(self._services.registry.connection_client)
        return Connection(
            url=self._address.url,
            ca_file=tls.ca if tls else None,
            token_url=self._address.url + TOKEN_PATH,
            client_id=client.client_id,
            client_secret=client.client_secret,
            workspace=self._services.settings.installation.workspace_id,
            inbox=self._services.stores.inbox(INBOX),
        )

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("Healthy")

    async def _readyz(self, request: Request) -> Response:
        return PlainTextResponse("Ready") if self._ready else PlainTextResponse("Not ready", 503)


def _read(endpoint: Endpoint) -> Endpoint:
    """What is there to be read, and is 405 to all else."""

    async def read(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method not allowed", 405, {"allow": "GET, HEAD"})
        return await endpoint(request)

    return read


async def _bounded(what: str, close: Callable[[], Awaitable[Any]]) -> None:
    try:
        async with asyncio.timeout(_CLOSE):
            await close()
    except TimeoutError:
        _log.error("%s did not close within %d seconds", what, _CLOSE)
