"""Online endpoints: what runs, who may call it, what is rolled out."""

from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.online.activities import OnlineActivities
from domain.online.endpoint_changes import EndpointChanges
from domain.online.endpoint_tokens import TokenSettings
from domain.online.online_provisioning import OnlineProvisioning
from domain.online.token_issuing import TokenIssuing
from domain.rollout.activities import RolloutActivities
from domain.rollout.guarded_rollout import GuardedRollout
from domain.rollout.mirroring import Mirroring
from domain.rollout.rollout_tally import RolloutTally
from domain.rollout.shadow_reporting import ShadowReporting
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.online_routing import RouteTable
from infra.composition.ground import Ground
from infra.settings.features import ScoringSettings
from infra.settings.features import TokenSettings as Tokens


def compose_online(
    ground: Ground, settings: Tokens, *, assets: AssetRegistration, routes: RouteTable
) -> OnlineActivities:
    """`routes` is told of every endpoint that changed."""
    a = ground.adapters
    changes = EndpointChanges(a.store, routes.invalidate, ground.outbox)
    provisioning = OnlineProvisioning(
        a.store,
        a.queue,
        a.compute,
        a.clock,
        ground.scope,
        ground.location,
        assets=assets,
        blobs=a.blobs,
        cipher=a.cipher,
        changed=routes.invalidate,
        outbox=ground.outbox,
    )
    tokens = TokenSettings(
        lifetime=timedelta(seconds=settings.lifetime),
        refresh_after=timedelta(seconds=settings.refresh_after),
        key_rotation=timedelta(seconds=settings.key_rotation),
    )
    return OnlineActivities(
        provisioning=provisioning,
        changes=changes,
        tokens=TokenIssuing(changes, a.cipher, a.clock, tokens),
    )


def compose_rollout(
    ground: Ground,
    settings: ScoringSettings,
    *,
    changes: EndpointChanges,
    instances: InstanceChoice,
) -> RolloutActivities:
    a = ground.adapters
    return RolloutActivities(
        guarding=GuardedRollout(a.store, a.clock, changes, ground.sums),
        shadow_reports=ShadowReporting(a.store, changes),
        tally=RolloutTally(ground.sums),
        mirroring=Mirroring(
            a.scorer,
            instances,
            ground.sums,
            max_in_flight=settings.mirror_max_in_flight,
            max_bytes=settings.mirror_max_bytes,
        ),
    )
