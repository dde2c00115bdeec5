"""Azure's services, one client of each for the process, as the settings name them.

What stands on an SDK is imported where it is made, and made at its first use (late.py).
"""

import contextlib
import re
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from domain.errors import Unavailable
from domain.figures.outside_figures import NoOutsideFigures, OutsideFigures
from domain.ports.records.traffic_records import TrafficRecords
from infra.clock import SystemClock
from infra.cloud.cipher import SettingCipher
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.cloud.documents.document_figure_store import DocumentFigureStore
from infra.cloud.late import is_made, late
from infra.cloud.monitor.analytics_traffic import AnalyticsTraffic
from infra.cloud.monitor.azure_monitor import AzureMonitor
from infra.settings import Settings
from infra.telemetry.log_analytics import named
from infra.web.client_address import TrustedProxies
from infra.web.client_proof import AssertionProof, ClientProof, SecretProof
from infra.web.directory_clients import DirectoryClients, DirectoryRights
from infra.web.no_traffic_records import NoTrafficRecords
from infra.web.outbound import OutboundAddresses
from infra.web.token_verifier import JwtVerifier, PublishedKeys
from infra.web.webhooks import HttpWebhooks

if TYPE_CHECKING:
    from azure.identity.aio import DefaultAzureCredential

    from infra.cloud.blobs.azure_blob_store import AzureBlobStore
    from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore
    from infra.cloud.queues.service_bus import ServiceBus
    from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer
    from infra.cloud.queues.service_bus_dead_letters import ServiceBusDeadLetters
    from infra.cloud.queues.service_bus_topics import ServiceBusTopics
    from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue

_NOT_KEPT = (
    "Under Azure Functions scoring requests are read one by one from Log Analytics: name the "
    "workspace of the Application Insights resource by ML_ENDPOINTS_LOG_WORKSPACE, and have "
    "deployments tell of theirs by appInsightsEnabled."
)
_EXCHANGE = "api://AzureADTokenExchange/.default"
"""What a managed identity's token is for that stands in for an application's secret."""
_LOOPBACK = re.compile(r"//(127\.0\.0\.1|localhost|\[::1\])[:/]")


class CloudServices:
    """Made by `open`, which reaches nothing; each client opens at its first use. A
    connection string is used where the settings have one, else the machine's identity."""

    _opened: ClassVar["CloudServices | None"] = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        identity = settings.identity
        self.cipher = SettingCipher(settings.cloud.cipher_key or "")
        self.callers = TrustedProxies(settings.reach.trusted_proxies, settings.reach.proxy_headers)
        self.webhooks = HttpWebhooks(OutboundAddresses(settings.web.private_networks))
        self.store = late(self._store)
        keys = PublishedKeys(identity.token_jwks_url)
        rights = DirectoryRights(self.store, identity.audiences)
        self.token_verifier = JwtVerifier(
            identity.issuers, identity.audiences, keys, rights, rights
        )
        self.scoring_token_verifier = JwtVerifier(
            identity.issuers, (identity.scoring_audience,), keys, rights, rights
        )
        self.data_token_verifier = JwtVerifier(
            identity.issuers, identity.data_audiences, keys, rights, rights
        )
        secret = identity.studio_client_secret
        self.studio_proof: ClientProof = (
            SecretProof(secret) if secret else AssertionProof(self._assertion)
        )
        self.clients = DirectoryClients(self.store, self.clock)
        keep = timedelta(days=settings.access.audit_retention_days)
        self.audit_log = DocumentAuditLog(self.store, self.clock, keep=keep)
        self.figures = DocumentFigureStore(
            self.store,
            minutes=timedelta(days=settings.figures.minutes_kept_days),
            hours=timedelta(days=settings.figures.hours_kept_days),
        )
        self.outside_figures = self._monitor()
        self.analytics = named(settings.telemetry)
        self.traffic: TrafficRecords = (
            NoTrafficRecords(_NOT_KEPT)
            if self.analytics is None
            else AnalyticsTraffic(self.analytics, settings.installation.workspace_id)
        )
        self.bus = late(self._service_bus)
        self.queue = late(self._queue)
        self.dead_letters = late(self._dead_letters)
        self.topics = late(self._topics)
        self.consumer = late(self._consumer)
        self.blobs = late(self._blobs)

    async def _assertion(self) -> str:
        """Who this machine is, to the application that people sign in as."""
        from azure.core.exceptions import ClientAuthenticationError

        try:
            return (await self.credential.get_token(_EXCHANGE)).token
        except ClientAuthenticationError as error:
            raise Unavailable(f"The managed identity gives no token: {error.message}") from error

    @cached_property
    def credential(self) -> "DefaultAzureCredential":
        """The machine's identity."""
        from azure.identity.aio import DefaultAzureCredential

        return DefaultAzureCredential(
            managed_identity_client_id=self.settings.cloud.azure_client_id
        )

    @classmethod
    def open(cls, settings: Settings) -> "CloudServices":
        """The same services for everyone in this process until they are closed. Raises
        ValueError if they are open under other settings."""
        services = cls._opened
        if services is None:
            services = cls._opened = cls(settings)
        elif services.settings != settings:
            raise ValueError("Azure's services are open in this process under other settings")
        return services

    async def close(self) -> None:
        """Every client, the connections they share last."""
        # The last one first; one that cannot be closed does not keep the others open.
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(setattr, CloudServices, "_opened", None)
            if isinstance(self.outside_figures, AzureMonitor):
                closing.push_async_callback(self.outside_figures.close)
            if self.analytics is not None:
                closing.push_async_callback(self.analytics.close)
            if "credential" in self.__dict__:
                closing.push_async_callback(self.credential.close)
            for each in (
                self.blobs,
                self.store,
                self.bus,
                self.queue,
                self.dead_letters,
                self.topics,
                self.webhooks,
                self.consumer,
            ):
                if is_made(each):
                    closing.push_async_callback(each.close)

    def _monitor(self) -> OutsideFigures:
        resource = self.settings.telemetry.monitor_resource
        if resource is None:
            return NoOutsideFigures()

        async def token() -> str:
            given = await self.credential.get_token("https://management.azure.com/.default")
            return given.token

        return AzureMonitor(resource, token, address="https://management.azure.com")

    def _store(self) -> "CosmosResourceStore":
        from infra.cloud.documents.cosmos_resource_store import CosmosResourceStore

        cloud = self.settings.cloud
        where = cloud.cosmos_connection or cloud.cosmos_endpoint or ""
        is_emulator = _LOOPBACK.search(where) is not None
        options: dict[str, Any] = {
            "database": cloud.cosmos_database,
            "container": cloud.cosmos_container,
            # An emulator begins empty, and names itself by addresses nobody can reach.
            "create": is_emulator,
            "client_options": {"enable_endpoint_discovery": not is_emulator},
        }
        if cloud.cosmos_connection:
            return CosmosResourceStore.from_connection_string(cloud.cosmos_connection, **options)
        return CosmosResourceStore(cloud.cosmos_endpoint or "", self.credential, **options)

    def _service_bus(self) -> "ServiceBus":
        from infra.cloud.queues.service_bus import ServiceBus

        cloud = self.settings.cloud
        if cloud.service_bus_connection:
            return ServiceBus(connection_string=cloud.service_bus_connection)
        return ServiceBus(namespace=cloud.service_bus_namespace, credential=self.credential)

    def _queue(self) -> "ServiceBusWorkQueue":
        from infra.cloud.queues.service_bus_work_queue import ServiceBusWorkQueue

        return ServiceBusWorkQueue(self.bus)

    def _dead_letters(self) -> "ServiceBusDeadLetters":
        from infra.cloud.queues.service_bus_dead_letters import ServiceBusDeadLetters

        return ServiceBusDeadLetters(self.bus)

    def _topics(self) -> "ServiceBusTopics":
        from infra.cloud.queues.service_bus_topics import ServiceBusTopics

        return ServiceBusTopics(self.bus)

    def _consumer(self) -> "ServiceBusConsumer":
        from infra.cloud.queues.service_bus_consumer import ServiceBusConsumer

        return ServiceBusConsumer(self.bus)

    def _blobs(self) -> "AzureBlobStore":
        from infra.cloud.blobs.azure_blob_store import AzureBlobStore

        cloud = self.settings.cloud
        if cloud.blob_connection:
            return AzureBlobStore.from_connection_string(cloud.blob_connection)
        return AzureBlobStore(cloud.blob_service_url or "", self.credential)
