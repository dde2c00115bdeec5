"""Online endpoints: what runs, who may call it, what is rolled out."""

from collections.abc import Callable
from datetime import timedelta

from domain.assets.asset_references import AssetSources
from domain.computes.compute_targets import ComputeTargets
from domain.online.activities import OnlineActivities
from domain.online.deployment_checks import DeploymentRoom
from domain.online.deployment_scales import DeploymentScales
from domain.online.endpoint_changes import EndpointChanges
from domain.online.endpoint_tokens import TokenSettings
from domain.online.key_issuing import KeyIssuing
from domain.online.online_deployments import OnlineDeployments
from domain.online.online_kind import OnlineKind
from domain.online.online_workloads import OnlineWorkloads
from domain.online.scale_following import ScaleFollowing
from domain.online.token_issuing import TokenIssuing
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.provisioned import Provisioned
from domain.rollout.activities import RolloutActivities
from domain.rollout.mirroring import Mirroring
from domain.rollout.rollout_guarding import RolloutGuarding
from domain.rollout.rollout_tally import RolloutTally
from domain.rollout.shadow_reporting import ShadowReporting
from domain.scoring.instance_choice import InstanceChoice
from infra.composition.ground import Ground, means
from infra.settings.features import ScoringSettings
from infra.settings.features import TokenSettings as Tokens


def compose_online(
    ground: Ground,
    settings: Tokens,
    sources: AssetSources,
    computes: ComputeTargets,
    changed: Callable[[str], None],
) -> OnlineActivities:
    """`changed` is told of every endpoint that changed."""
    a = ground.adapters
    changes = EndpointChanges(a.store, changed, ground.outbox)
    scales = DeploymentScales(a.store)
    revisions = DeploymentRevisions(a.store, OnlineKind.types)
    kind = OnlineKind(sources, scales, computes, revisions, a.cipher, ground.location, changed)
    documents = EndpointDocuments(a.store, ground.scope, kind.types)
    workloads = OnlineWorkloads(sources, scales, documents, computes)
    endpoints = Provisioned.of(kind, workloads, a.serving, means(ground))
    tokens = TokenSettings(
        lifetime=timedelta(seconds=settings.lifetime),
        refresh_after=timedelta(seconds=settings.refresh_after),
        key_rotation=timedelta(seconds=settings.key_rotation),
    )
    return OnlineActivities(
        capabilities=a.capabilities,
        documents=documents,
        provisioning=endpoints.provisioning,
        checking=endpoints.checking,
        reconciler=endpoints.reconciler,
        restorer=endpoints.restorer,
        deployments=OnlineDeployments(documents, scales, a.serving),
        scales=scales,
        revisions=revisions,
        changes=changes,
        keys=KeyIssuing(documents, endpoints.provisioning, a.cipher),
        tokens=TokenIssuing(changes, a.cipher, a.clock, tokens),
        following=ScaleFollowing(
            documents, kind, workloads, a.serving, DeploymentRoom(a.capabilities)
        ),
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
        guarding=RolloutGuarding(a.store, a.clock, changes, ground.sums),
        shadow_reports=ShadowReporting(a.store, changes),
        tally=RolloutTally(ground.sums),
        mirroring=Mirroring(
            a.scorer,
            instances,
            ground.sums,
            ground.tally,
            max_in_flight=settings.mirror_max_in_flight,
            max_bytes=settings.mirror_max_bytes,
        ),
    )
