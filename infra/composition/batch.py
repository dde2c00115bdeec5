"""Batch endpoints."""

from domain.assets.asset_references import AssetSources
from domain.batch.activities import BatchActivities
from domain.batch.batch_keys import BatchKeys
from domain.batch.batch_kind import BatchKind
from domain.batch.batch_workloads import BatchWorkloads
from domain.computes.compute_targets import ComputeTargets
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.provisioned import Provisioned
from infra.composition.ground import Ground, means


def compose_batch(
    ground: Ground, *, sources: AssetSources, computes: ComputeTargets
) -> BatchActivities:
    a = ground.adapters
    workloads = BatchWorkloads(sources, computes)
    revisions = DeploymentRevisions(a.store, BatchKind.types)
    kind = BatchKind(sources, computes, revisions, a.cipher, ground.location)
    endpoints = Provisioned.of(kind, workloads, a.workers, means(ground))
    return BatchActivities(
        capabilities=a.capabilities,
        documents=endpoints.documents,
        revisions=revisions,
        provisioning=endpoints.provisioning,
        checking=endpoints.checking,
        reconciler=endpoints.reconciler,
        restorer=endpoints.restorer,
        workloads=workloads,
        computes=computes,
        keys=BatchKeys(endpoints.documents, endpoints.provisioning, a.cipher),
    )
