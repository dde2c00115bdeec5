"""Batch endpoints, and the computes that their jobs run on."""

from datetime import timedelta

from domain.assets.asset_references import AssetSources
from domain.assets.using.asset_use import AssetUse
from domain.batch.activities import BatchActivities
from domain.batch.batch_keys import BatchKeys
from domain.batch.batch_kind import BatchKind
from domain.batch.batch_workloads import BatchWorkloads
from domain.batch.compute_targets import ComputeTargets
from domain.provisioning.provisioned import Provisioned
from infra.composition.ground import Ground, means
from infra.settings.features import BatchSettings


def compose_batch(
    ground: Ground, settings: BatchSettings, *, sources: AssetSources, use: AssetUse
) -> BatchActivities:
    a = ground.adapters
    computes = ComputeTargets(
        a.store,
        a.capabilities,
        a.clock,
        ground.scope,
        ground.holding,
        in_use=use.of,
        idle_time=timedelta(seconds=settings.worker_idle_time),
    )
    workloads = BatchWorkloads(sources, computes)
    kind = BatchKind(sources, computes, a.cipher, ground.location)
    endpoints = Provisioned.of(kind, workloads, a.workers, means(ground))
    return BatchActivities(
        capabilities=a.capabilities,
        documents=endpoints.documents,
        provisioning=endpoints.provisioning,
        checking=endpoints.checking,
        reconciler=endpoints.reconciler,
        restorer=endpoints.restorer,
        workloads=workloads,
        computes=computes,
        keys=BatchKeys(endpoints.documents, endpoints.provisioning, a.cipher),
    )
