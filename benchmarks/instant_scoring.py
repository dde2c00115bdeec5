"""The scoring path over an endpoint whose instances answer at once."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func

from domain.errors import Unauthenticated
from domain.ground.keys import SealedKeys
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import to_body
from domain.names import WorkspaceScope
from domain.online import online_deployment, online_endpoint
from domain.online.online_deployment import OnlineDeployment, OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.ports import (
    Cipher,
    Create,
    Instance,
    LogKind,
    Principal,
    ResourceStore,
    Scorer,
    ScoringRequest,
    ScoringResponse,
    Serving,
    ServingObservation,
    ServingWorkload,
    TokenVerifier,
)
from domain.scoring.exchange_taps import Taps
from domain.scoring.instance_asking import Awakening, InstanceAsking
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.outliers import Outliers
from domain.scoring.request_record import Listener
from domain.scoring.route import DeploymentRoute
from domain.scoring.scoring_access import ScoringAccess
from handlers.addresses import Addresses
from handlers.admission import Admission
from handlers.data import scoring as handlers
from handlers.http import Routes
from infra.clock import SystemClock
from infra.composition.audit import compose_audit
from infra.embedded.database.sqlite_audit_log import SqliteAuditLog
from infra.embedded.host.functions import index
from infra.embedded.host.http_app import HttpApp
from infra.embedded.host.script_callers import ScriptCallers, no_nodes
from infra.settings.adapters import AccessSettings
from infra.web.client_address import TrustedProxies

KEY = "primary-key-of-this-benchmark"
ENDPOINT = "iris"
DEPLOYMENTS = ("blue", "green")
_ANSWER = ScoringResponse(
    200,
    [
        ("content-type", "application/json"),
        ("content-length", "3"),
        ("x-ms-server-version", "1"),
        ("x-ms-run-fn-exec-ms", "0.1"),
    ],
    b"[1]",
)


class InstantScorer(Scorer):
    async def score(
        self, instance: Instance, request: ScoringRequest, *, timeout: float
    ) -> ScoringResponse:
        return _ANSWER


INSTANT = InstantScorer()


class FixedInstances(Serving):
    """At these addresses, of each deployment, always."""

    def __init__(self, addresses: Sequence[str]) -> None:
        keys = [online_deployment.workload_key(ENDPOINT, name) for name in DEPLOYMENTS]
        self._instances = {
            key: [Instance(f"{key}-{n}", address) for n, address in enumerate(addresses)]
            for key in keys
        }

    def instances(self, key: str) -> Sequence[Instance]:
        return self._instances[key]

    async def refresh(self, keys: Sequence[str]) -> None: ...

    async def ensure(self, workload: ServingWorkload) -> ServingObservation:
        raise NotImplementedError

    async def observe(self, key: str) -> ServingObservation | None:
        raise NotImplementedError

    async def remove(self, key: str, *, grace: timedelta) -> bool:
        raise NotImplementedError

    async def keys(self) -> Sequence[str]:
        return list(self._instances)

    async def logs(self, key: str, kind: LogKind, *, tail: int) -> str:
        return ""


class NoTokens(TokenVerifier):
    async def verify(self, token: str) -> Principal:
        raise Unauthenticated("Requests have keys here.")


class NothingSleeps(Awakening):
    @asynccontextmanager
    async def turn(self, endpoint: str, deployment: DeploymentRoute) -> AsyncIterator[None]:
        yield


async def put_endpoint(store: ResourceStore, cipher: Cipher) -> None:
    """In key mode, its traffic split evenly."""
    now = SystemClock().now()
    about = {
        "location": "local",
        "provisioning_state": ProvisioningState.SUCCEEDED,
        "created_at": now,
        "created_by": "a benchmark",
        "modified_at": now,
        "modified_by": "a benchmark",
    }
    endpoint = OnlineEndpoint(
        name=ENDPOINT,
        properties=OnlineEndpointProperties(traffic=dict.fromkeys(DEPLOYMENTS, 50)),
        sealed_keys=SealedKeys.generate(cipher, KEY, None),
        **about,
    )
    body = to_body(online_endpoint.KIND, endpoint)
    creates = [Create(online_endpoint.DOCUMENT_ID, body)]
    for name in DEPLOYMENTS:
        properties = OnlineDeploymentProperties()
        deployment = OnlineDeployment(name=name, endpoint=ENDPOINT, properties=properties, **about)
        body = to_body(online_deployment.KIND, deployment)
        creates.append(Create(online_deployment.document_id(name), body))
    await store.transact(online_endpoint.partition(ENDPOINT), creates)


def scoring(
    store: ResourceStore,
    cipher: Cipher,
    *listeners: Listener,
    scorer: Scorer = INSTANT,
    addresses: Sequence[str] = ("/one", "/two"),
) -> OnlineScoring:
    """Where nothing else is said, over two instances that answer at once."""
    clock = SystemClock()
    serving = FixedInstances(addresses)
    instances = InstanceChoice(serving, Outliers())
    return OnlineScoring(
        RouteTable(store, clock, read_limit=2, refresh=serving.refresh),
        ScoringAccess(cipher, clock, NoTokens()),
        InstanceAsking(scorer, instances, NothingSleeps()),
        Taps(listeners, ()),
        max_request_bytes=100 * 2**20,
    )


def audit_log_in(folder: Path) -> SqliteAuditLog:
    return SqliteAuditLog(
        folder / "audit.db", keep=timedelta(days=1), max_bytes=2**20, now=time.time
    )


def admission_by(log: SqliteAuditLog) -> Admission:
    audit = compose_audit(log, SystemClock(), AccessSettings(), period=5)
    return Admission(NoTokens(), audit, lambda _, answer: answer())


def host_app(activity: OnlineScoring, admission: Admission) -> Any:
    """The host's ASGI application over it."""
    addresses = Addresses("", None, TrustedProxies((), "x-forwarded"), None)
    routes = Routes(admission, admission, WorkspaceScope("", "", ""), addresses)
    app = func.FunctionApp()
    app.register_functions(handlers.blueprint(routes, activity))
    nobody = ScriptCallers(lambda: range(0), no_nodes)
    return HttpApp(
        index(app, {}), exact={}, prefixes=(), scripts=nobody, route_prefix="", log_requests=False
    )


def scope(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Of one request for it."""
    path = f"/endpoints/{ENDPOINT}/score"
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "path_params": {"endpoint": ENDPOINT},
    }
