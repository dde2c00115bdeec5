"""A cluster of the tests' own: an API server on a port of 127.0.0.1, its controllers, and a
kubelet, in a thread of their own."""

import asyncio
import base64
import secrets
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import yaml
from aiohttp import web

from infra.embedded.access.tls import ensure_certificates
from tests.kit.waiting import PATIENCE
from tests.servers.engine.dockerd import EngineApi
from tests.servers.kubernetes.admission import Access
from tests.servers.kubernetes.api_server import ApiServer, Asked
from tests.servers.kubernetes.controllers import Controllers
from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.machines.hollow_kubelet import HollowKubelet
from tests.servers.kubernetes.machines.kubelet import Kubelet
from tests.servers.kubernetes.machines.node_ports import NodePorts
from tests.servers.kubernetes.machines.pod_containers import FOLDER
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.store import Object, Store

NAMESPACE: Final = "models"
_EVERY: Final = 0.05
T = TypeVar("T")


class Cluster:
    """From `start` until `stop`; its certificate is in `folder`. With an `engine` its pods run
    there; else they are hollow."""

    def __init__(self, folder: Path, engine: EngineApi | None = None) -> None:
        self._files = ensure_certificates(folder)
        self.id = secrets.token_hex(4)
        self.store = Store()
        self.access = Access()
        self._engine = engine
        self.kubelet: Kubelet | HollowKubelet = (
            HollowKubelet(self.store) if engine is None else Kubelet(self.store, engine, self.id)
        )
        self.server = ApiServer(self.store, self.access, self.kubelet.logs, self._delete)
        self.controllers = Controllers(self.store, self.server.admission)
        self._node_ports = NodePorts(self.store)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self._driving: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def gateway(self) -> str:
        """This machine's address, as pods that run reach it."""
        return self.kubelet.gateway

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._do(self._open())
        self.call(lambda: self.namespace(NAMESPACE))

    def stop(self) -> None:
        try:
            self._do(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(PATIENCE)
            self._loop.close()

    def call(self, act: Callable[[], T]) -> T:
        """In the thread of the cluster."""

        async def acted() -> T:
            return act()

        done: T = self._do(acted())
        return done

    def namespace(self, name: str, **labels: str) -> None:
        body: Object = {"metadata": {"name": name, "labels": labels}}
        self.store.create(BY_PLURAL["namespaces"], body)

    def apply(self, plural: str, namespace: str, body: Object, *, manager: str) -> None:
        """As a client that is strict about fields. Raises Refusal."""
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        name = body["metadata"]["name"]
        asked = Asked(BY_PLURAL[plural], namespace, name, "", query)
        self.call(lambda: self.server.apply(asked, body))

    def claim(self, name: str, folder: Path, namespace: str = NAMESPACE) -> None:
        """One that is bound to a folder of this machine, if it is not there."""

        def made() -> None:
            if self.store.find("persistentvolumeclaims", namespace, name) is not None:
                return
            about = {"name": name, "namespace": namespace, "annotations": {FOLDER: str(folder)}}
            size = {"requests": {"storage": "1Gi"}}
            spec = {"accessModes": ["ReadWriteMany"], "resources": size}
            body: Object = {"metadata": about, "spec": spec}
            self.store.create(BY_PLURAL["persistentvolumeclaims"], body)

        self.call(made)

    def kubeconfig(self, path: Path, token: str = "admin") -> Path:
        context = {"cluster": "tests", "user": "me", "namespace": NAMESPACE}
        authority = base64.b64encode(self._files.ca.read_bytes()).decode()
        server = {"server": self.url, "certificate-authority-data": authority}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": server}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": context}],
        }
        path.write_text(yaml.safe_dump(body))
        path.chmod(0o600)
        return path

    def end_watches(self) -> None:
        """As an API server does after some minutes."""
        self.call(lambda: [task.cancel() for task in list(self.server.watches)])

    def compact(self) -> None:
        """Nobody can watch any more from before now."""
        self.call(self.store.compact)

    def go_down(self) -> None:
        """What is running goes on; nobody answers."""
        self._do(self._shut())

    def come_back(self) -> None:
        self._do(self._listen())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- inside

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _open(self) -> None:
        await self.kubelet.start()
        await self._listen()
        self._driving = asyncio.create_task(self._drive())

    async def _listen(self) -> None:
        self._runner = web.AppRunner(self.server.app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls())
        await site.start()
        addresses: Any = self._runner.addresses
        self.port = addresses[0][1]

    def _tls(self) -> ssl.SSLContext:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self._files.certificate, self._files.key)
        return tls

    async def _shut(self) -> None:
        for task in list(self.server.watches):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _close(self) -> None:
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.gather(self._driving, return_exceptions=True)
        await self._shut()
        await self._node_ports.close()
        await self.kubelet.stop()

    async def _drive(self) -> None:
        seen = -1
        while True:
            if seen != self.store.version:
                seen = self.store.version
                try:
                    self.controllers.step()
                    await self.kubelet.step()
                    if self._engine is not None:
                        await self._node_ports.step(self.gateway)
                except Refusal:  # somebody was quicker: it is looked at again
                    seen = -1
            await asyncio.sleep(_EVERY)

    def _delete(self, kind: Any, body: Object, options: Any) -> None:
        self.controllers.delete(kind, body, options)
