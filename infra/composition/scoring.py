"""What a scoring request goes through, and what follows the load it makes."""

from collections.abc import Sequence
from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.collecting.instance_records import InstanceRecords
from domain.collecting.payload_collecting import PayloadCollecting
from domain.collecting.record_writing import RecordWriting
from domain.online.activities import OnlineActivities
from domain.online.scale_following import ScaleFollowing
from domain.scaling.scale_watching import ScaleWatching
from domain.scaling.scaling import Scaling
from domain.scaling.waking import Waking
from domain.scoring.exchange_taps import Tap, Taps
from domain.scoring.instance_asking import Awakening, InstanceAsking
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.outliers import Outliers
from domain.scoring.scoring_access import ScoringAccess
from infra.composition.ground import Ground
from infra.settings.features import CollectingSettings, ScalingSettings, ScoringSettings

_COMES = 1.0
"""Seconds between two times that instances are asked for what they have collected."""


def compose_routes(ground: Ground, settings: ScoringSettings) -> RouteTable:
    a = ground.adapters
    return RouteTable(
        a.store, a.clock, read_limit=settings.route_read_limit, refresh=a.serving.refresh
    )


def compose_instances(ground: Ground) -> InstanceChoice:
    return InstanceChoice(ground.adapters.serving, Outliers())


def compose_scoring(
    ground: Ground,
    settings: ScoringSettings,
    routes: RouteTable,
    instances: InstanceChoice,
    awakening: Awakening,
    taps: Sequence[Tap],
) -> OnlineScoring:
    a = ground.adapters
    return OnlineScoring(
        routes,
        ScoringAccess(a.cipher, a.clock, a.scoring_verifier),
        InstanceAsking(a.scorer, instances, awakening),
        Taps((a.request_counts.record, *a.listeners), taps),
        max_request_bytes=settings.max_request_bytes,
    )


def compose_waking(
    ground: Ground, settings: ScalingSettings, *, following: ScaleFollowing
) -> Waking:
    a = ground.adapters
    return Waking(
        a.serving, a.queue, following.bring_to_scale, ground.tally, limit=settings.wake_wait
    )


def compose_scaling(
    ground: Ground, settings: ScalingSettings, *, online: OnlineActivities
) -> tuple[Scaling, ScaleWatching]:
    a = ground.adapters
    scaling = Scaling(
        a.serving,
        a.scorer,
        a.clock,
        online.following,
        online.scales,
        idle_time=timedelta(seconds=settings.idle_time),
    )
    between = timedelta(seconds=settings.look_interval)
    return scaling, ScaleWatching(a.store, a.queue, a.clock, scaling, between=between)


def compose_collecting(
    ground: Ground, settings: CollectingSettings, *, assets: AssetRegistration
) -> PayloadCollecting:
    a = ground.adapters
    writing = RecordWriting(
        a.blobs,
        assets,
        ground.scope,
        a.clock,
        ground.tally,
        most=settings.max_memory,
        period=settings.period,
    )
    period = min(_COMES, settings.period)
    instances = InstanceRecords(a.serving, a.scorer, writing, period=period)
    return PayloadCollecting(writing, instances, a.clock, max_bytes=settings.max_bytes)
