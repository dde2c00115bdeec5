"""What one embedded installation consists of, shared by all who need it in this process: the
host, which drives the functions, and the app's composition, whose activities they run."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from domain.assets.datastore import DEFAULT, account_url
from domain.assets.packages.index_credentials import ConnectionsCredentials
from domain.audit.address_limits import AddressLimits
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts
from domain.errors import DomainError
from domain.figures.door_figures import DoorFigures
from domain.figures.request_counts import RequestCounts
from domain.identities.identity_store import IdentityReading
from domain.names import WorkspaceScope
from domain.ports import Clients
from domain.ports.records.traffic_records import TrafficRecords
from domain.scoring.request_record import Listener
from infra.clock import SystemClock
from infra.compute.choice import Beside, chosen_compute
from infra.compute.local.serving.instance_figures import InstanceFigures
from infra.compute.package_sources import PackageSources
from infra.embedded.access.clients import ClientRegistry
from infra.embedded.access.issuer import KEYS_PATH, SigningKey, TokenIssuer
from infra.embedded.access.own_clients import OwnClients
from infra.embedded.access.standing import FollowedStanding, OwnStanding, TellingStanding
from infra.embedded.arrivals.receipts import receipts_database
from infra.embedded.blobs.rest.bearers import BlobBearers
from infra.embedded.data_folder import DataFolder
from infra.embedded.database.sqlite_traffic_records import SqliteTrafficRecords
from infra.embedded.disk_room import DiskRoom
from infra.embedded.host.traffic_log import TrafficLog
from infra.embedded.host_disk import HostDisk
from infra.embedded.identities.host_identities import Blobs, HostIdentities
from infra.embedded.identities.identity_door import IdentityDoor
from infra.embedded.identities.identity_rights import IdentityRights
from infra.embedded.identities.identity_tokens import STORAGE, Audiences, IdentityTokens
from infra.embedded.nodes.host_lending import HostLending, LaterLending
from infra.embedded.nodes.nodes_door import NodesDoor
from infra.embedded.stores import CloudStores, LocalStores, Stores
from infra.settings import Settings
from infra.telemetry.delivery_metrics import DeliveryMetrics
from infra.telemetry.request_metrics import RequestMetrics
from infra.web.client_address import TrustedProxies
from infra.web.directory_clients import DirectoryClients, DirectoryRights
from infra.web.no_clients import NoClients
from infra.web.no_traffic_records import NoTrafficRecords
from infra.web.outbound import OutboundAddresses
from infra.web.token_verifier import JwtVerifier, KeySource, PublishedKeys, StaticKeys
from infra.web.webhooks import HttpWebhooks

_log = logging.getLogger(__name__)
_EACH_HOST: Final = (
    "Each host on these stores runs every online deployment by itself: instance counts, quotas and "
    "the memory that models take are for each. ML_ENDPOINTS_COMPUTE=docker has instances that the "
    "hosts share (docs/one-machine-to-a-cluster.md)."
)

_DAY = 86400.0
_NOT_KEPT = (
    "Scoring requests are not kept one by one: start the host with ML_ENDPOINTS_LOG_TRAFFIC=true."
)


def _traffic(settings: Settings, folder: DataFolder) -> tuple[SqliteTrafficRecords, TrafficLog]:
    here, embedded = settings.installation, settings.embedded
    records = SqliteTrafficRecords(
        folder.root / "traffic.db",
        keep=timedelta(days=embedded.traffic_kept_days),
        max_bytes=embedded.traffic_max_bytes,
        now=time.time,
    )
    log = TrafficLog(
        folder.root / "logs",
        here.subscription_id,
        here.workspace,
        here.workspace_id,
        keep=records,
    )
    return records, log


class EmbeddedServices:
    """What one host has on one data folder: stores of either family, a compute, an
    issuer of tokens. Made by `open`, which touches no disk; each adapter opens what it needs
    at its first use."""

    _opened: ClassVar[dict[Path, "EmbeddedServices"]] = {}

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        self.settings = settings
        self.folder = folder
        self.clock = SystemClock()
        self.room = DiskRoom(folder.root, settings.embedded.disk_reserve)
        self.stores: Stores = (
            CloudStores(settings, folder)
            if settings.installation.platform == "azure"
            else LocalStores(settings, folder, self.room)
        )
        outbound = OutboundAddresses(settings.web.private_networks)
        logs, access = self.stores.audit_log, settings.access
        self.logins = LoginCounts(logs, self.clock, period=settings.scoring.aggregate_period)
        self.signing_key = SigningKey(folder.secrets / "token-signing.pem")
        self.registry = ClientRegistry(folder.secrets)
        self.identities = self._lent_identities()
        limits = AddressLimits(self.clock, most=access.refused_per_minute)
        self.door = CredentialDoor(limits, self.logins)
        lending = LaterLending()
        self.compute = chosen_compute(
            settings,
            "embedded",
            Beside(
                data_dir=folder.root,
                blobs=self.stores.blobs,
                blob_files=self.stores.blob_files,
                store=self.stores.store,
                cipher=self.stores.cipher,
                packages=PackageSources.of(
                    settings.packages,
                    ConnectionsCredentials(self.stores.store, self.stores.cipher),
                    outbound,
                ),
                identities=self.identities,
                lending=lending,
            ),
        )
        self.nodes_door = self._opened_to_nodes(lending)
        self.callers = TrustedProxies(settings.reach.trusted_proxies, settings.reach.proxy_headers)
        self.disk = HostDisk(folder.root, self.room, self.compute.disk)
        self.webhooks = HttpWebhooks(outbound)
        self.request_counts = RequestCounts()
        self.door_figures = DoorFigures()
        self.delivery_metrics = DeliveryMetrics()
        self.traffic_records, self.traffic_log = _traffic(settings, folder)
        self.receipts = receipts_database(folder.receipts)
        self.issuer = TokenIssuer(
            settings.identity.token_issuer,
            settings.identity.token_audience,
            self.signing_key,
            self.registry,
            audiences=(settings.identity.scoring_audience, STORAGE),
            rates=AddressLimits(self.clock, most=access.tokens_per_minute),
            door=self.door,
        )
        self._running: list[asyncio.Task[None]] = []

    def _opened_to_nodes(self, lending: LaterLending) -> NodesDoor | None:
        """Where models run in a network of their own, and the blobs are this host's."""
        gateway, blobs = self.compute.gateway, self.stores.door(self.bearers)
        if gateway is None or blobs is None:
            return None
        told, tls = self.settings.compute.blobs_address, self.folder.tls / "nodes"
        door = NodesDoor(blobs, gateway, told, tls, self.settings.door)
        self.stores.lend_at(door.url)
        lending.by = HostLending(door, blobs, self.compute.shelves)
        return door

    @cached_property
    def bearers(self) -> BlobBearers:
        """Who may do what with blobs, by tokens."""
        return BlobBearers(self.storage_token_verifier, self.door)

    @classmethod
    def open(cls, settings: Settings) -> "EmbeddedServices":
        """The services of the settings' data folder: the same for everyone in this process
        until they are closed. Raises ValueError if they are open under other settings."""
        root = settings.embedded.data_dir.absolute()
        services = cls._opened.get(root)
        if services is None:
            services = cls._opened[root] = cls(settings, DataFolder(root))
        elif services.settings != settings:
            raise ValueError(f"{root} is open in this process under other settings")
        return services

    @cached_property
    def figures(self) -> tuple[Callable[[], str], ...]:
        """What this host counts and measures, each in Prometheus' text format."""
        requests, deliveries = RequestMetrics(self.request_counts).text, self.delivery_metrics.text
        if self.compute.running is None:
            return requests, deliveries
        return requests, InstanceFigures(self.compute.running).text, deliveries

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Who is told of each scoring request that has ended, beside those who count it."""
        if self.settings.embedded.log_traffic:
            return (self.traffic_log.record,)
        return ()

    @property
    def traffic(self) -> TrafficRecords:
        """Scoring requests one by one."""
        if self.settings.embedded.log_traffic:
            return self.traffic_records
        return NoTrafficRecords(_NOT_KEPT)

    @cached_property
    def token_verifier(self) -> JwtVerifier:
        """Trusts the settings' issuer: this host's own unless its keys are elsewhere."""
        return self._verifier(self.settings.identity.audiences)

    @cached_property
    def scoring_token_verifier(self) -> JwtVerifier:
        """The same issuer's tokens for the scoring audience."""
        return self._verifier((self.settings.identity.scoring_audience,))

    @cached_property
    def storage_token_verifier(self) -> JwtVerifier:
        """The same issuer's tokens for blobs."""
        return self._verifier((STORAGE,))

    @cached_property
    def data_token_verifier(self) -> JwtVerifier:
        """The same issuer's tokens for either."""
        return self._verifier(self.settings.identity.data_audiences)

    def _verifier(self, audiences: tuple[str, ...]) -> JwtVerifier:
        issuers, rights = self.settings.identity.issuers, self._rights
        return JwtVerifier(issuers, audiences, self._issuers_keys, rights, rights)

    @cached_property
    def _rights(self) -> DirectoryRights | IdentityRights:
        if isinstance(self._standing, DirectoryRights):
            return self._standing
        return IdentityRights(self._identity_reading, self._standing)

    @cached_property
    def _identity_reading(self) -> IdentityReading:
        return IdentityReading(self.stores.store)

    def _blobs_here(self) -> str:
        return account_url(self.stores.blobs.url(DEFAULT))

    async def _blobs_of_nodes(self) -> tuple[str, str]:
        if self.nodes_door is None:
            return self._blobs_here(), ""
        return f"{await self.nodes_door.url()}/blobs", await self.nodes_door.authority()

    def _lent_identities(self) -> HostIdentities:
        settings, scope = self.settings.identity, self.settings.installation
        where = WorkspaceScope(scope.subscription_id, scope.resource_group, scope.workspace)
        refusal = None if self._issues else f"Tokens come from {settings.token_issuer}, not here."
        tokens = IdentityTokens(
            self._identity_reading,
            self.signing_key.sign,
            settings.token_issuer,
            Audiences(settings.audiences, settings.scoring_audience),
            lambda identity: identity.arm_id(where),
            refusal=refusal,
        )
        return HostIdentities(
            tokens,
            IdentityDoor(tokens, self.logins),
            self.folder.root / "trust" / "authorities.pem",
            Blobs(self._blobs_here(), self._blobs_of_nodes),
            are_ours=self.identities_elsewhere is None,
        )

    @cached_property
    def _issuers_keys(self) -> KeySource:
        if self._issues:
            return StaticKeys(self.signing_key.jwks)
        return PublishedKeys(self.settings.identity.token_jwks_url)

    @cached_property
    def clients(self) -> Clients:
        """Those of the issuer whose tokens are taken here."""
        if self._issues:
            return OwnClients(self.registry, self.folder.connection, self.issuer.issue_for)
        if isinstance(self._standing, DirectoryRights):
            return DirectoryClients(self.stores.store, self.clock)
        issuer = self.settings.identity.token_issuer
        return NoClients(f"Tokens come from {issuer} here: its clients are made and changed there.")

    @property
    def identities_elsewhere(self) -> str | None:
        """Who gives deployments their identities, where that is not this host's issuer, nor that
        of another host which has the same stores."""
        if self._issues or isinstance(self._standing, FollowedStanding):
            return None
        return (
            f"Tokens come from {self.settings.identity.token_issuer} here: what deployments may is "
            "said there. An identity that an endpoint or a compute names is kept, and is nobody."
        )

    @property
    def _issues(self) -> bool:
        url = self.settings.identity.token_jwks_url
        return url == self.settings.installation.base_url + KEYS_PATH

    @cached_property
    def _standing(self) -> OwnStanding | FollowedStanding | DirectoryRights:
        identity = self.settings.identity
        if self._issues:
            return OwnStanding(self.registry)
        if identity.token_jwks_url == identity.token_issuer.rstrip("/") + KEYS_PATH:
            # Another embedded host's.
            return FollowedStanding(self.stores.store, identity.token_issuer)
        return DirectoryRights(self.stores.store, identity.audiences)

    def _following(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What tells other hosts of this one's clients, or follows what is told."""
        match self._standing:
            case OwnStanding() as own if self.stores.are_shared:
                issuer = self.settings.identity.token_issuer
                yield TellingStanding(self.stores.store, issuer, own).run()
            case FollowedStanding() as followed:
                yield followed.run()
        if isinstance(self._rights, IdentityRights):
            yield self._rights.run()

    async def start(self) -> None:
        """For the host that has the folder to itself: what a killed one had in hand is
        there to be received again, and its leavings are swept, now and daily."""
        await asyncio.to_thread(self.folder.make)
        await self.stores.start()
        await self.identities.start()
        await self.compute.start()
        if self.stores.are_shared and self.settings.compute.kind_for("embedded") == "local":
            about = {"action": "instances_each_host"}
            _log.warning("%s", _EACH_HOST, extra=about)
        if self.settings.embedded.log_traffic:
            self.traffic_log.start()
        self._running = [asyncio.create_task(each) for each in (self._sweep(), *self._following())]

    async def close(self) -> None:
        """Everything acknowledged is on disk; the folder can be opened anew."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        await self.logins.close()
        await self.webhooks.close()
        await asyncio.to_thread(self.traffic_log.close)
        await self.compute.close()
        await self.identities.close()
        if self.nodes_door is not None:
            await self.nodes_door.close()
        await self.receipts.close()
        await self.stores.close()
        self._opened.pop(self.folder.root, None)

    async def _sweep(self) -> None:
        while True:
            try:
                await self.stores.sweep()
            except (DomainError, OSError) as error:
                _log.warning("the blob store was not swept: %s", error)
            await asyncio.sleep(_DAY)
