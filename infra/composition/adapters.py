"""The one place where adapters are chosen."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from domain.events.delivery_record import OnSettled
from domain.ports import (
    BlobStore,
    Cipher,
    Clock,
    Compute,
    EventTopics,
    ResourceStore,
    Scorer,
    TokenVerifier,
    Webhooks,
    WorkQueue,
)
from domain.scoring.exchange_taps import RecordTap, Tap
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.compute.local.serving.instance_figures import Running

_HOSTS: dict[str, Literal["embedded", "functions"]] = {
    "embedded": "embedded",
    "azure": "functions",
}


@dataclass(frozen=True)
class Adapters:
    """One family of adapters, one of each for the process."""

    store: ResourceStore
    queue: WorkQueue
    blobs: BlobStore
    compute: Compute
    scorer: Scorer
    cipher: Cipher
    clock: Clock
    verifier: TokenVerifier
    scoring_verifier: TokenVerifier
    """For tokens of the scoring audience, as aad_token endpoints take them."""
    webhooks: Webhooks
    topics: EventTopics
    taps: tuple[Tap, ...] = ()
    """Who listens to scoring requests, to measure them or write them down."""
    on_settled: tuple[OnSettled, ...] = ()
    """Who is told of each round of deliveries of events that has ended."""
    running: "Running | None" = None
    """What can be measured of instances, where this process runs them."""


def chosen(settings: Settings) -> Adapters:
    """Those that the settings name. Opens nothing: adapters open what they need at first use."""
    match settings.installation.host or _HOSTS[settings.installation.platform]:
        case "embedded":
            from infra.embedded.services import EmbeddedServices

            services = EmbeddedServices.open(settings)
            stores = services.stores
            return Adapters(
                store=stores.store,
                queue=stores.queue,
                blobs=stores.blobs,
                compute=services.compute,
                scorer=services.scorer,
                cipher=stores.cipher,
                clock=services.clock,
                verifier=services.token_verifier,
                scoring_verifier=services.scoring_token_verifier,
                webhooks=services.webhooks,
                topics=stores.topics,
                taps=services.taps,
                on_settled=(services.delivery_metrics.record,),
                running=services.compute,
            )
        case "functions":
            from infra.cloud.no_compute import NoCompute, NoScorer
            from infra.cloud.services import CloudServices

            cloud = CloudServices.open(settings)
            return Adapters(
                store=cloud.store,
                queue=cloud.queue,
                blobs=cloud.blobs,
                compute=NoCompute(),
                scorer=NoScorer(),
                cipher=cloud.cipher,
                clock=cloud.clock,
                verifier=cloud.token_verifier,
                scoring_verifier=cloud.scoring_token_verifier,
                webhooks=cloud.webhooks,
                topics=cloud.topics,
            )


def traced(adapters: Adapters) -> Adapters:
    """The same, with what goes through them told to OpenTelemetry."""
    from infra.compute.local.serving.instance_figures import InstanceMeters
    from infra.telemetry.delivery_metrics import DeliveryMeters
    from infra.telemetry.request_meters import RequestMeters
    from infra.telemetry.traced import TracedScorer, TracedWorkQueue

    if adapters.running is not None:
        InstanceMeters(adapters.running)
    return replace(
        adapters,
        queue=TracedWorkQueue(adapters.queue),
        scorer=TracedScorer(adapters.scorer),
        taps=(*adapters.taps, RecordTap(RequestMeters().record)),
        on_settled=(*adapters.on_settled, DeliveryMeters().record),
    )
