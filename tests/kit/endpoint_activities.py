"""What is done with endpoints, put together on whatever stores and compute a test has."""

from collections.abc import Callable
from datetime import timedelta

from domain.assets.asset_references import AssetSources
from domain.batch.activities import BatchActivities
from domain.batch.batch_kind import BatchKind
from domain.batch.batch_workloads import BatchWorkloads
from domain.batch.compute_targets import ComputeTargets
from domain.online.activities import OnlineActivities
from domain.online.deployment_scales import DeploymentScales
from domain.online.endpoint_changes import EndpointChanges
from domain.online.endpoint_tokens import TokenSettings
from domain.online.key_issuing import KeyIssuing
from domain.online.online_deployments import OnlineDeployments
from domain.online.online_kind import OnlineKind
from domain.online.online_workloads import OnlineWorkloads
from domain.online.scale_following import ScaleFollowing
from domain.online.token_issuing import TokenIssuing
from domain.ports import Cipher, Serving, Workers
from domain.provisioning.provisioned import Means, Provisioned

LOCATION = "here"
TOKENS = TokenSettings(
    lifetime=timedelta(hours=1), refresh_after=timedelta(minutes=30), key_rotation=timedelta(days=1)
)


def online_activities(
    means: Means,
    sources: AssetSources,
    serving: Serving,
    cipher: Cipher,
    changed: Callable[[str], None],
) -> OnlineActivities:
    scales = DeploymentScales(means.store)
    kind = OnlineKind(sources, scales, cipher, LOCATION, changed)
    workloads = OnlineWorkloads(sources, scales)
    endpoints = Provisioned.of(kind, workloads, serving, means)
    changes = EndpointChanges(means.store, changed, means.outbox)
    return OnlineActivities(
        documents=endpoints.documents,
        provisioning=endpoints.provisioning,
        reconciler=endpoints.reconciler,
        restorer=endpoints.restorer,
        scales=scales,
        deployments=OnlineDeployments(endpoints.documents, scales, serving),
        changes=changes,
        keys=KeyIssuing(endpoints.documents, endpoints.provisioning, cipher),
        tokens=TokenIssuing(changes, cipher, means.clock, TOKENS),
        following=ScaleFollowing(endpoints.documents, kind, workloads, serving),
    )


def batch_activities(
    means: Means, sources: AssetSources, workers: Workers, computes: ComputeTargets
) -> BatchActivities:
    workloads = BatchWorkloads(sources, computes)
    endpoints = Provisioned.of(BatchKind(sources, computes, LOCATION), workloads, workers, means)
    return BatchActivities(
        documents=endpoints.documents,
        provisioning=endpoints.provisioning,
        reconciler=endpoints.reconciler,
        restorer=endpoints.restorer,
        workloads=workloads,
        computes=computes,
    )
