"""What a scoring request goes through, and what follows the load it makes."""

from datetime import timedelta

from domain.online.online_provisioning import OnlineProvisioning
from domain.rollout.mirroring import Mirroring
from domain.scaling.scaling import Scaling
from domain.scaling.waking import Waking
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.scoring_access import ScoringAccess
from infra.composition.ground import Ground, each
from infra.settings.features import ScalingSettings, ScoringSettings


def compose_routes(ground: Ground, settings: ScoringSettings) -> RouteTable:
    a = ground.adapters
    return RouteTable(a.store, a.clock, read_limit=settings.route_read_limit)


def compose_scoring(
    ground: Ground,
    settings: ScoringSettings,
    *,
    routes: RouteTable,
    online: OnlineProvisioning,
    wake_wait: float,
) -> OnlineScoring:
    a = ground.adapters
    instances = InstanceChoice(a.compute)
    return OnlineScoring(
        routes,
        a.compute,
        a.scorer,
        access=ScoringAccess(a.cipher, a.clock, a.scoring_verifier),
        instances=instances,
        mirroring=Mirroring(
            a.scorer,
            instances,
            ground.sums,
            max_in_flight=settings.mirror_max_in_flight,
            max_bytes=settings.mirror_max_bytes,
        ),
        sums=ground.sums,
        max_request_bytes=settings.max_request_bytes,
        on_finished=each(a.on_finished),
        waking=Waking(a.compute, a.queue, online.bring_to_scale, limit=wake_wait),
    )


def compose_scaling(
    ground: Ground, settings: ScalingSettings, *, online: OnlineProvisioning
) -> Scaling:
    a = ground.adapters
    idle_time = timedelta(seconds=settings.idle_time)
    return Scaling(a.store, a.compute, a.scorer, a.clock, online, idle_time=idle_time)
