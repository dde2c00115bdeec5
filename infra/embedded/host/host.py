"""The embedded Functions host: drives every function of an app by its own bindings, on one
event loop, over the embedded services."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from domain.schedules.cron import CronError
from infra.embedded.access import issuer
from infra.embedded.access.connection_file import Connection, remove_connection
from infra.embedded.access.tls import TlsFiles, ensure_certificates
from infra.embedded.arrivals.blob_arrivals import Arriving, BlobArrivals, path_pattern
from infra.embedded.arrivals.receipts import Receipts
from infra.embedded.blobs.rest.requests import PREFIX as BLOBS
from infra.embedded.data_folder import INBOX
from infra.embedded.host import metrics_door
from infra.embedded.host.address import Address
from infra.embedded.host.functions import AppError, HostedFunction, import_app, index
from infra.embedded.host.host_json import HostJson
from infra.embedded.host.http_app import Endpoint, HttpApp
from infra.embedded.host.http_server import HttpServer
from infra.embedded.host.metrics_door import MetricsDoor
from infra.embedded.host.queue_delivery import Listening
from infra.embedded.host.queue_listener import QueueListener
from infra.embedded.host.routes import RouteError
from infra.embedded.host.timers import Timer
from infra.embedded.services import EmbeddedServices

_log = logging.getLogger(__name__)

_CLOSE = 15.0
_CERTIFICATE_CHECK = 12 * 3600.0


class _Trigger(Protocol):
    def start(self) -> None: ...

    async def stop(self, grace: float) -> None: ...


class Host:
    """One app on one data folder, which the caller has locked. `environment` is what
    `%SETTING%` in a binding refers to."""

    def __init__(
        self,
        app: str,
        services: EmbeddedServices,
        address: Address,
        host_json: HostJson,
        environment: Mapping[str, str],
        *,
        log_requests: bool,
    ) -> None:
        self._app = app
        self._services = services
        self._address = address
        self._host_json = host_json
        self._environment = environment
        self._log_requests = log_requests
        self._grace = services.settings.embedded.stop_grace
        self._ready = False
        self._figures = [*services.figures]

    async def run(self, stop: asyncio.Event, ready: Callable[[Connection], None]) -> None:
        """Serve until `stop`; `ready` is called once everything answers. Then accept
        nothing new, let what is in flight end within the grace, and close. Raises AppError
        and whatever the app raises while it is imported or started."""
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(_bounded, "the services", self._services.close)
            await self._services.start()
            functions = await self._load(closing)
            tls = await self._certificates()
            try:
                http_app, triggers = self._http_app(functions), self._triggers(functions)
            except (RouteError, CronError) as error:
                raise AppError(f"a function cannot be hosted: {error}") from error
            server = HttpServer(
                http_app,
                self._address.bound,
                tls,
                grace=self._grace,
                head_time=self._services.settings.embedded.head_time,
            )
            self._figures.append(server.text)
            connection = await self._connection(tls)
            await server.start()
            closing.push_async_callback(self._stop, server, triggers)
            for trigger in triggers:
                trigger.start()
            if tls is not None:
                renewing = asyncio.create_task(self._renew(server))
                closing.callback(renewing.cancel)
            await asyncio.to_thread(connection.write, self._services.folder)
            closing.callback(remove_connection, self._services.folder)
            # What has been loaded stays; a collector that walks it holds every request up.
            gc.collect()
            gc.freeze()
            self._ready = True
            _log.info("ready at %s with %d functions", connection.url, len(functions))
            ready(connection)
            await stop.wait()
            self._ready = False
            _log.info("stopping")

    async def _load(self, closing: contextlib.AsyncExitStack) -> list[HostedFunction]:
        # The worker imports an app on its live event loop, and so does this.
        module, app = import_app(self._app)
        functions = index(app, self._environment)
        application = getattr(module, "application", None)
        close = getattr(application, "close", None)
        if close is not None:
            closing.push_async_callback(_bounded, "the application", close)
        start = getattr(application, "start", None)
        if start is not None:
            await start()
        return functions

    async def _stop(self, server: HttpServer, triggers: Sequence[_Trigger]) -> None:
        self._ready = False
        stopping = [server.stop(), *(trigger.stop(self._grace) for trigger in triggers)]
        tasks = [asyncio.ensure_future(stop) for stop in stopping]
        stopped, still = await asyncio.wait(tasks, timeout=self._grace + _CLOSE)
        for task in stopped:
            if not task.cancelled() and task.exception() is not None:
                _log.error("something did not stop cleanly", exc_info=task.exception())
        for task in still:
            _log.error("something did not stop within %d seconds", self._grace + _CLOSE)
            task.cancel()

    def _http_app(self, functions: Sequence[HostedFunction]) -> HttpApp:
        tokens, door = self._services.issuer, self._services.stores.door()
        exact: dict[str, Endpoint] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            metrics_door.PATH: MetricsDoor(self._figures, self._services.token_verifier),
            issuer.TOKEN_PATH: tokens.token,
            issuer.KEYS_PATH: tokens.keys,
            issuer.DISCOVERY_PATH: tokens.discovery,
        }
        return HttpApp(
            [f for f in functions if f.trigger_type == "httpTrigger"],
            exact=exact,
            prefixes=[(BLOBS, door)] if door else [],
            route_prefix=self._host_json.route_prefix,
            log_requests=self._log_requests,
        )

    def _triggers(self, functions: Sequence[HostedFunction]) -> list[_Trigger]:
        services, host_json = self._services, self._host_json
        listening = Listening(
            max_concurrent_calls=host_json.max_concurrent_calls,
            max_renewal=host_json.max_auto_lock_renewal,
            max_delivery=services.settings.triggers.queue_max_delivery,
        )
        arriving = Arriving(
            parallel=host_json.blob_parallelism, tries=host_json.poison_blob_threshold
        )
        triggers: list[_Trigger] = []
        for function in functions:
            match function.trigger_type:
                case "serviceBusTrigger":
                    triggers.append(QueueListener(function, services.stores.consumer, listening))
                case "timerTrigger":
                    triggers.append(Timer(function, services.clock))
                case "blobTrigger":
                    container, _ = path_pattern(str(function.trigger["path"]))
                    receipts = Receipts(services.receipts, function.name, container)
                    source = services.stores.arrivals_in(container)
                    triggers.append(
                        BlobArrivals(function, source, services.stores.blobs, receipts, arriving)
                    )
        return triggers

    async def _certificates(self) -> TlsFiles | None:
        if not self._address.tls:
            return None
        folder = self._services.folder.tls
        return await asyncio.to_thread(ensure_certificates, folder, self._address.names)

    async def _renew(self, server: HttpServer) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_CHECK)
            tls = await self._certificates()
            if tls is not None:
                server.renew(tls)

    async def _connection(self, tls: TlsFiles | None) -> Connection:
        client = await asyncio.to_thread(self._services.clients.connection_client)
        return Connection(
            url=self._address.url,
            ca_file=tls.ca if tls else None,
            token_url=self._address.url + issuer.TOKEN_PATH,
            client_id=client.client_id,
            client_secret=client.client_secret,
            workspace=self._services.settings.installation.workspace_id,
            inbox=self._services.stores.inbox(INBOX),
        )

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("Healthy")

    async def _readyz(self, request: Request) -> Response:
        return PlainTextResponse("Ready") if self._ready else PlainTextResponse("Not ready", 503)


async def _bounded(what: str, close: Callable[[], Awaitable[Any]]) -> None:
    try:
        async with asyncio.timeout(_CLOSE):
            await close()
    except TimeoutError:
        _log.error("%s did not close within %d seconds", what, _CLOSE)
