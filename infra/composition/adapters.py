"""The one place where adapters are chosen."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from domain.assets.packages.index_credentials import ConnectionsCredentials
from domain.events.delivery_record import OnSettled
from domain.figures.figure_gathering import Source
from domain.figures.outside_figures import OutsideFigures
from domain.figures.request_counts import RequestCounts
from domain.ports import (
    AuditLog,
    BlobStore,
    CallerAddresses,
    Capabilities,
    Cipher,
    Clients,
    Clock,
    DeadLetterQueues,
    DiskUse,
    EventTopics,
    ResourceStore,
    Scorer,
    Serving,
    SignIns,
    StorageRoom,
    TokenVerifier,
    WebFiles,
    Webhooks,
    Workers,
    WorkQueue,
)
from domain.ports.records.figure_store import FigureStore
from domain.ports.records.running_meter import RunningMeter
from domain.ports.records.traffic_records import TrafficRecords
from domain.scoring.request_record import Listener
from infra.settings import Settings
from infra.settings.adapters import IdentitySettings
from infra.web.client_proof import ClientProof, SecretProof
from infra.web.no_sign_ins import NoSignIns
from infra.web.oidc_sign_ins import OidcClient, OidcSignIns
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles

if TYPE_CHECKING:
    from infra.cloud.services import CloudServices
    from infra.compute.local.serving.instance_figures import Running
    from infra.compute.package_sources import PackageSources


@dataclass(frozen=True)
class Adapters:
    """One family of adapters, one of each for the process."""

    store: ResourceStore
    queue: WorkQueue
    dead_letters: DeadLetterQueues
    blobs: BlobStore
    capabilities: Capabilities
    serving: Serving
    scorer: Scorer
    workers: Workers
    cipher: Cipher
    clock: Clock
    room: StorageRoom
    """Whether there is room for new work."""
    disk: DiskUse
    verifier: TokenVerifier
    scoring_verifier: TokenVerifier
    data_verifier: TokenVerifier
    """For tokens of the scoring audience, as aad_token endpoints take them."""
    callers: CallerAddresses
    audit_log: AuditLog
    clients: Clients
    sign_ins: SignIns
    identities_elsewhere: str | None
    """Who gives deployments their identities, where that is not this installation's issuer."""
    webhooks: Webhooks
    web: WebFiles
    """What a job reads at users' web addresses."""
    topics: EventTopics
    figures: FigureStore
    outside_figures: OutsideFigures
    """Who else keeps figures of the same things."""
    traffic: TrafficRecords
    request_counts: RequestCounts
    figure_sources: tuple[Source, ...] = ()
    """What else figures over time are taken from."""
    listeners: tuple[Listener, ...] = ()
    """Who is told of each scoring request that has ended, beside `request_counts`."""
    on_settled: tuple[OnSettled, ...] = ()
    """Who is told of each round of deliveries of events that has ended."""
    meter: RunningMeter | None = None
    """For how long instances and workers run, where this process sees them."""
    running: "Running | None" = None
    """What can be measured of instances, where this process runs them."""


def chosen(settings: Settings) -> Adapters:
    """Those that the settings name. Opens nothing: adapters open what they need at first use."""
    match settings.installation.driven_by:
        case "embedded":
            return _embedded(settings)
        case "functions":
            return _functions(settings)


def _embedded(settings: Settings) -> Adapters:
    from infra.embedded.services import EmbeddedServices

    services = EmbeddedServices.open(settings)
    stores, compute = services.stores, services.compute
    return Adapters(
        store=stores.store,
        queue=stores.queue,
        dead_letters=stores.dead_letters,
        blobs=stores.blobs,
        capabilities=compute.capabilities,
        serving=compute.serving,
        scorer=compute.scorer,
        workers=compute.workers,
        cipher=stores.cipher,
        clock=services.clock,
        room=services.room,
        disk=services.disk,
        verifier=services.token_verifier,
        scoring_verifier=services.scoring_token_verifier,
        data_verifier=services.data_token_verifier,
        callers=services.callers,
        audit_log=stores.audit_log,
        clients=services.clients,
        sign_ins=_sign_ins(
            settings.identity,
            stores.cipher,
            services.token_verifier,
            SecretProof(settings.identity.studio_client_secret),
        ),
        identities_elsewhere=services.identities_elsewhere,
        webhooks=services.webhooks,
        web=_web_files(settings),
        topics=stores.topics,
        figures=stores.figures,
        outside_figures=stores.outside_figures,
        traffic=services.traffic,
        request_counts=services.request_counts,
        figure_sources=(services.door_figures,),
        listeners=services.listeners,
        on_settled=(services.delivery_metrics.record,),
        meter=compute.meter,
        running=compute.running,
    )


def _functions(settings: Settings) -> Adapters:
    from infra.cloud.ample_room import AmpleRoom
    from infra.cloud.no_disk import NoDisk
    from infra.cloud.services import CloudServices
    from infra.compute.choice import Beside, chosen_compute
    from infra.compute.identity_lending import NothingLent
    from infra.compute.node_lending import LentElsewhere
    from infra.web.no_clients import ENTRAS_IDENTITIES

    cloud = CloudServices.open(settings)
    folder, packages = settings.embedded.data_dir, _packages(settings, cloud)
    nobody = NothingLent()
    beside = Beside(
        folder, cloud.blobs, None, cloud.store, cloud.cipher, packages, nobody, LentElsewhere()
    )
    compute = chosen_compute(settings, "functions", beside)
    return Adapters(
        store=cloud.store,
        queue=cloud.queue,
        dead_letters=cloud.dead_letters,
        blobs=cloud.blobs,
        capabilities=compute.capabilities,
        serving=compute.serving,
        scorer=compute.scorer,
        workers=compute.workers,
        cipher=cloud.cipher,
        clock=cloud.clock,
        room=AmpleRoom(),
        disk=NoDisk(),
        verifier=cloud.token_verifier,
        scoring_verifier=cloud.scoring_token_verifier,
        data_verifier=cloud.data_token_verifier,
        callers=cloud.callers,
        audit_log=cloud.audit_log,
        clients=cloud.clients,
        sign_ins=_sign_ins(
            settings.identity, cloud.cipher, cloud.token_verifier, cloud.studio_proof
        ),
        identities_elsewhere=ENTRAS_IDENTITIES,
        webhooks=cloud.webhooks,
        web=_web_files(settings),
        topics=cloud.topics,
        figures=cloud.figures,
        outside_figures=cloud.outside_figures,
        traffic=cloud.traffic,
        request_counts=RequestCounts(),
        meter=compute.meter,
        running=compute.running,
    )


def _sign_ins(
    identity: IdentitySettings, cipher: Cipher, verifier: TokenVerifier, proof: ClientProof
) -> SignIns:
    if identity.studio_client_id is None:
        return NoSignIns()
    client = OidcClient(
        identity.token_issuer, identity.studio_client_id, identity.asked_scope, proof
    )
    return OidcSignIns(client, cipher, verifier)


def _packages(settings: Settings, cloud: "CloudServices") -> "PackageSources":
    from infra.compute.package_sources import PackageSources

    return PackageSources.of(
        settings.packages,
        ConnectionsCredentials(cloud.store, cloud.cipher),
        OutboundAddresses(settings.web.private_networks),
    )


def _web_files(settings: Settings) -> WebFiles:
    return PublicWebFiles(
        OutboundAddresses(settings.web.private_networks),
        max_bytes=settings.batch.web_file_max_bytes,
        max_time=settings.batch.web_file_max_time,
    )


def traced(adapters: Adapters) -> Adapters:
    """The same, with what goes through them told to OpenTelemetry."""
    from infra.compute.local.serving.instance_figures import InstanceMeters
    from infra.telemetry.delivery_metrics import DeliveryMeters
    from infra.telemetry.request_meters import RequestMeters
    from infra.telemetry.traced import TracedScorer, TracedWorkers, TracedWorkQueue

    if adapters.running is not None:
        InstanceMeters(adapters.running)
    return replace(
        adapters,
        queue=TracedWorkQueue(adapters.queue),
        scorer=TracedScorer(adapters.scorer),
        workers=TracedWorkers(adapters.workers),
        listeners=(*adapters.listeners, RequestMeters().record),
        on_settled=(*adapters.on_settled, DeliveryMeters().record),
    )
