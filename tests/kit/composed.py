"""The application as production composes it, on what a test gives and on what stands in for the
rest."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from azurefunctions.extensions.http.fastapi import Response

from domain.application import Application
from domain.errors import StorageFull, Unauthenticated, Unsupported
from domain.figures.outside_figures import NoOutsideFigures
from domain.figures.request_counts import RequestCounts
from domain.ground.access import role_fault
from domain.jobs.records.job_times import JobTimes
from domain.names import WorkspaceScope
from domain.ports import (
    BlobStore,
    Cipher,
    Clock,
    Principal,
    ResourceStore,
    StorageRoom,
    TokenVerifier,
    WorkQueue,
)
from handlers.admission import Admission
from handlers.what_if import Try
from infra.clock import SystemClock
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from infra.cloud.no_disk import NoDisk
from infra.composition import compose_on
from infra.composition.adapters import Adapters
from infra.composition.audit import compose_audit
from infra.embedded.no_topics import NoTopics
from infra.settings import Settings
from infra.settings.adapters import AccessSettings
from infra.web.client_address import TrustedProxies
from infra.web.no_clients import NoClients
from infra.web.no_sign_ins import NoSignIns
from infra.web.no_traffic_records import NoTrafficRecords
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from infra.web.webhooks import HttpWebhooks
from tests.kit.waiting import PATIENCE

TIMES = JobTimes()
SCOPE = WorkspaceScope("00000000-0000-0000-0000-000000000000", "group", "workspace")


class OwnerVerifier(TokenVerifier):
    """The token `owner` is one."""

    async def verify(self, token: str) -> Principal:
        if token != "owner":
            raise Unauthenticated("Not a token of this test's.")
        return Principal("an-owner", frozenset({"owner"}))


class RoleVerifier(TokenVerifier):
    """The token is the name of the role it gives, or several with `+` between."""

    async def verify(self, token: str) -> Principal:
        roles = frozenset(token.split("+"))
        if any(role_fault(role) for role in roles):
            raise Unauthenticated("The token is not one of this test's.")
        return Principal(f"a-{token}", roles)


class PlainCipher(Cipher):
    def encrypt(self, plain: str) -> str:
        return plain[::-1]

    def decrypt(self, sealed: str) -> str:
        return sealed[::-1]


class ToldRoom(StorageRoom):
    """Room for new work, as a test has it."""

    def __init__(self) -> None:
        self.is_full = False

    async def check(self) -> None:
        if self.is_full:
            raise StorageFull("There is no room: make some.")


def adapters(
    store: ResourceStore, queue: WorkQueue, blobs: BlobStore, clock: Clock, **others: Any
) -> Adapters:
    """`others` by Adapters' names, of which capabilities, serving, workers and scorer are
    needed."""
    defaults = {
        "cipher": PlainCipher(),
        "verifier": OwnerVerifier(),
        "scoring_verifier": OwnerVerifier(),
        "data_verifier": others.get("verifier", OwnerVerifier()),
        "clients": NoClients("A test has none."),
        "sign_ins": NoSignIns(),
        "identities_elsewhere": None,
        "callers": TrustedProxies((), "x-forwarded"),
        "audit_log": DocumentAuditLog(store, clock, keep=timedelta(days=90)),
        "webhooks": HttpWebhooks(OutboundAddresses(())),
        "web": PublicWebFiles(OutboundAddresses(()), max_bytes=2**20, max_time=PATIENCE),
        "figures": held_figures(store),
        "outside_figures": NoOutsideFigures(),
        "traffic": NoTrafficRecords("A test keeps none."),
        "request_counts": RequestCounts(),
        "topics": NoTopics(),
        "room": ToldRoom(),
        "disk": NoDisk(),
        "dead_letters": queue,
    }
    return Adapters(store=store, queue=queue, blobs=blobs, clock=clock, **{**defaults, **others})


def held_figures(store: ResourceStore) -> DocumentFigureStore:
    """Tests say themselves when figures over time are stored: no timer does."""
    figures = DocumentFigureStore(store, minutes=timedelta(days=7), hours=timedelta(days=365))
    figures.period *= 10**9
    return figures


async def not_tried(action: str, answer: Callable[[], Awaitable[Response]]) -> Response:
    """Functions that a test puts together by themselves try nothing."""
    raise Unsupported("A dry run is not offered here.")


def admission(
    verifier: TokenVerifier, store: ResourceStore, trying: Try = not_tried, *, refused: int = 0
) -> Admission:
    """Who may call functions that a test puts together by themselves; what is kept of acts is in
    the store. So many are `refused` in a minute; 0: there is no limit."""
    clock = SystemClock()
    log = DocumentAuditLog(store, clock, keep=timedelta(days=90))
    settings = AccessSettings(refused_per_minute=refused)
    audit = compose_audit(log, clock, settings, period=PATIENCE)
    return Admission(verifier, audit, trying)


def composed(adapters: Adapters, times: JobTimes = TIMES, /, **settings: object) -> Application:
    """`settings` by their names, as `scale_idle_time`; None leaves one as it is by itself."""
    told = {
        "platform": "embedded",
        "resource_group": SCOPE.resource_group,
        "location": "here",
        # Tests say themselves when counts are stored.
        "aggregate_period": 300,
        "route_read_limit": PATIENCE,
        "refused_per_minute": 0,
        **{name: value for name, value in settings.items() if value is not None},
    }
    read = {f"ML_ENDPOINTS_{name.upper()}": str(value) for name, value in told.items()}
    return compose_on(adapters, Settings.read(read), times)
