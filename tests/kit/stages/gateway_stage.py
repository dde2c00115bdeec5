"""Two whole applications on one set of embedded adapters, as two hosts on one set of services
are: each with its own routes, counts and HTTP door; models are scripted."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from domain.application import Application
from domain.figures.request_counts import RequestCounts
from domain.ground.messages import PROVISIONING_QUEUE
from domain.scoring.request_record import RequestRecord
from infra.embedded.access.cipher import FernetCipher
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.web.client_standing import UnsaidStanding
from infra.web.token_rights import ClaimedRoles
from infra.web.token_verifier import JwtVerifier, StaticKeys
from tests.kit.clocks import HeldClock
from tests.kit.composed import adapters, composed
from tests.kit.computes import ReadyCompute
from tests.kit.pumping_host import PumpingHost
from tests.kit.scorers import ScriptedScorer
from tests.kit.stages.asset_stage import register_assets
from tests.kit.waiting import eventually

URL = "http://testserver"
ISSUER, AUDIENCE = "https://issuer.example", "https://ml.azure.com"
SIGNING_KEY = ec.generate_private_key(ec.SECP256R1())
PRIMARY = "primary-key-of-this-test"


def issuers_token(*roles: str, **changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "somebody",
        "roles": list(roles),
        "exp": now + 600,
        **changes,
    }
    return jwt.encode(claims, SIGNING_KEY, algorithm="ES256", headers={"kid": "k"})


def jwks() -> dict[str, Any]:
    public = jwt.algorithms.ECAlgorithm.to_jwk(SIGNING_KEY.public_key(), as_dict=True)
    return {"keys": [{**public, "kid": "k", "use": "sig", "alg": "ES256"}]}


class Gateway:
    """One host."""

    def __init__(
        self, application: Application, host: PumpingHost, http: httpx.AsyncClient
    ) -> None:
        self.application = application
        self.host = host
        self.http = http
        self._base = application.scope.id

    async def arm(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Authorization": "Bearer owner"}
        return await self.http.request(method, f"{self._base}/{path}", json=body, headers=headers)

    async def score(
        self, credential: str = PRIMARY, *, content: bytes = b"{}", **headers: str
    ) -> httpx.Response:
        sent = [(b"authorization", f"Bearer {credential}".encode("latin-1"))]
        sent += [(n.replace("_", "-").encode(), value.encode()) for n, value in headers.items()]
        return await self.http.post("/endpoints/iris/score", content=content, headers=sent)

    async def store_counts(self) -> None:
        """What a few seconds bring about: copies have ended, counts are in the store."""
        mirroring, sums = self.application.rollout.mirroring, self.application.sums
        await eventually(lambda: not mirroring.in_flight, "no copy is under way")

        async def stored() -> bool:
            await sums.flush()
            return not sums.pending

        await eventually(stored, "all that was counted is stored")


class Gateways:
    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        clock: HeldClock,
        compute: ReadyCompute,
        others: Mapping[str, Any],
    ) -> None:
        self.clock = clock
        self.compute = compute
        self.scorer = ScriptedScorer()
        self.records: list[RequestRecord] = []
        self.settings = settings
        self.store = SqliteResourceStore(folder / "documents.db", now=clock.unix)
        self.queue = SqliteWorkQueue(folder / "queues.db", now=clock.unix, max_delivery_count=10)
        self.blobs = FileBlobStore(folder, base_url=URL, key=b"k" * 32)
        self.adapters = adapters(
            self.store,
            self.queue,
            self.blobs,
            clock,
            capabilities=compute,
            serving=compute,
            scorer=self.scorer,
            workers=compute,
            cipher=FernetCipher(folder / "cipher.key"),
            scoring_verifier=JwtVerifier(
                (ISSUER,), (AUDIENCE,), StaticKeys(jwks), UnsaidStanding(), ClaimedRoles()
            ),
            listeners=(self.records.append,),
            **others,
        )
        self.all: list[Gateway] = []

    @property
    def one(self) -> Gateway:
        return self.all[0]

    @property
    def other(self) -> Gateway:
        return self.all[1]

    def start(self, stack: AsyncExitStack) -> Gateway:
        """One more host, or one that was started anew."""
        adapters = replace(self.adapters, request_counts=RequestCounts())
        application = composed(adapters, base_url=URL, **self.settings)
        host = PumpingHost(application, self.queue, self.clock)
        http = host.client(URL)
        stack.push_async_callback(http.aclose)
        gateway = Gateway(application, host, http)
        self.all.append(gateway)
        return gateway

    async def settle(self) -> None:
        """Deliver messages, to either host, until nothing is left to do."""
        for turn in range(100):
            self.clock.move(2)
            host = self.all[turn % len(self.all)].host
            if not await host.turn([PROVISIONING_QUEUE]):
                return
            if host.failures:
                raise host.failures.pop()
        raise AssertionError("messages go on")

    async def iris(self, *deployments: str, **properties: Any) -> None:
        """The endpoint `iris` with `deployments`, all ready."""
        await register_assets(self.one.application.assets.registration, self.blobs)
        keys = {"primaryKey": PRIMARY}
        body = {"properties": {"keys": keys, **properties}}
        reply = await self.one.arm("PUT", "onlineEndpoints/iris", body)
        assert reply.status_code == 201, reply.text
        for name in deployments:
            await self.put_deployment(name)
        await self.settle()

    async def put_deployment(self, name: str, **properties: Any) -> None:
        body = {
            "properties": {
                "model": "azureml:m:1",
                "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
                "environmentId": "azureml:e:1",
                "requestSettings": {"requestTimeout": "PT5M"},
                **properties,
            }
        }
        path = f"onlineEndpoints/iris/deployments/{name}"
        reply = await self.one.arm("PUT", path, body)
        assert reply.status_code in (200, 201), reply.text
        await self.settle()

    async def patch(self, **properties: Any) -> httpx.Response:
        """Change the endpoint; every host knows of it when this returns."""
        body = {"properties": properties}
        reply = await self.one.arm("PATCH", "onlineEndpoints/iris", body)
        if reply.status_code == 202:
            await self.settle()
        return reply

    async def endpoint(self) -> dict[str, Any]:
        reply = await self.other.arm("GET", "onlineEndpoints/iris")
        properties: dict[str, Any] = reply.json()["properties"]
        return properties

    async def store_counts(self) -> None:
        for gateway in self.all:
            await gateway.store_counts()

    async def look(self, seconds: float = 3) -> None:
        """Time passes, then some host's sweep comes."""
        self.clock.move(seconds)
        await self.all[-1].host.run("sweep")


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    clock: HeldClock | None = None,
    compute: ReadyCompute | None = None,
    hosts: int = 2,
    settings: Mapping[str, str] | None = None,
    **others: Any,
) -> AsyncIterator[Gateways]:
    """`others` are adapters by their names. Opened again on the same folder (with the clock and
    compute that went on), it is what a restart finds."""
    clock, compute = clock or HeldClock(), compute or ReadyCompute()
    gateways = Gateways(folder, settings or {}, clock, compute, others)
    async with AsyncExitStack() as stack:
        for _ in range(hosts):
            gateways.start(stack)
        yield gateways
    for gateway in gateways.all:
        await gateway.application.close()
    await gateways.blobs.close()
    await gateways.queue.close()
    await gateways.store.close()
