"""Batch endpoints, and the computes that their jobs run on."""

from datetime import timedelta

from domain.assets.asset_registration import AssetRegistration
from domain.assets.asset_use import AssetUse
from domain.batch.activities import BatchActivities
from domain.batch.batch_provisioning import BatchProvisioning
from domain.batch.compute_target import ComputeTargets
from infra.composition.ground import Ground
from infra.settings.features import BatchSettings


def compose_batch(
    ground: Ground, settings: BatchSettings, *, assets: AssetRegistration, use: AssetUse
) -> BatchActivities:
    a = ground.adapters
    computes = ComputeTargets(
        a.store,
        a.compute,
        a.clock,
        ground.scope,
        ground.location,
        in_use=use.of,
        idle_time=timedelta(seconds=settings.worker_idle_time),
    )
    provisioning = BatchProvisioning(
        a.store,
        a.queue,
        a.compute,
        a.clock,
        ground.scope,
        ground.location,
        assets=assets,
        blobs=a.blobs,
        computes=computes,
        outbox=ground.outbox,
    )
    return BatchActivities(provisioning=provisioning, computes=computes)
