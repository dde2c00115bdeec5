"""The cluster, where models run in one."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from infra.settings.group import SettingsGroup
from infra.settings.values import SECONDS, Networks, Text, Unit

Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
_CLAIM = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?:/[^:]*(:ro)?")


def _claims(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    claims = tuple(each.strip() for each in value.split(",") if each.strip())
    for each in claims:
        if not _CLAIM.fullmatch(each):
            raise ValueError(f"{each} is no mount: claim:/folder/in/pods[:ro]")
    return claims


Claims = Annotated[tuple[str, ...], BeforeValidator(_claims), Unit("several between commas")]


class KubernetesSettings(SettingsGroup):
    """The cluster that instances and nodes are pods of, with `ML_ENDPOINTS_COMPUTE` `kubernetes`.
    `ML_ENDPOINTS_IMAGE_REGISTRY` is where their images are then."""

    config: Path | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_CONFIG")
    """A kubeconfig. None: in a pod its own service account, elsewhere what `kubectl` takes
    (`KUBECONFIG` or `~/.kube/config`)."""
    context: Text | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_CONTEXT")
    """Of that kubeconfig. None: its current one."""
    namespace: Namespace | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_NAMESPACE")
    """Where pods are that name no attached compute, and all that belongs to them; it has to be
    there. None: the pod's own, or the context's."""
    resource_id: Text | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_RESOURCE_ID")
    """The cluster's ARM id, where it has one (`/subscriptions/…/managedClusters/NAME`), by which
    Azure's clients attach it: a `resourceId` in the body of a compute has to be this one."""
    reach: Literal["pods", "machines"] = Field("pods", alias="ML_ENDPOINTS_KUBERNETES_REACH")
    """How hosts reach a pod: by its own address, as they do inside of the cluster and in a network
    that pods have addresses of; or by the machine that it is on (`machines`), at a port that the
    cluster opens there for it (a Service of the type NodePort), from networks that reach machines
    alone."""
    callers: Networks = Field((), alias="ML_ENDPOINTS_KUBERNETES_CALLERS")
    """Networks (`10.1.0.0/16`) that hosts outside of the cluster are in: network policies let
    nobody else in to a pod. None: whoever reaches it, and then its secret alone keeps its door.
    Hosts that are pods are let in by their label, `ml-endpoints.host: "true"`."""
    mounts: Claims = Field((), alias="ML_ENDPOINTS_KUBERNETES_MOUNTS")
    """PersistentVolumeClaims of the namespace that every pod sees, each `claim:/folder/seen`, with
    `:ro` to be read only. Whoever deploys a model can read them, and write to the others."""
    instance_types: Path | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_INSTANCE_TYPES")
    """A file (YAML or JSON) with `instanceTypes` and `defaultInstanceType`, as Azure ML's body of a
    Kubernetes compute has them: `nodeSelector` and `resources` by name. None: its
    `defaultinstancetype`. Azure's own names mean their cores and memory all the same."""
    online_priority: Text | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_ONLINE_PRIORITY")
    """A PriorityClass of the cluster that instances of online deployments have. None: its
    default."""
    batch_priority: Text | None = Field(None, alias="ML_ENDPOINTS_KUBERNETES_BATCH_PRIORITY")
    """The same of nodes of batch jobs: one that is lower gives way where there is no room, and what
    its nodes had in hand is begun anew."""
    unscheduled: Annotated[float, Field(ge=0, le=86400), SECONDS] = Field(
        600, alias="ML_ENDPOINTS_KUBERNETES_UNSCHEDULED"
    )
    """How long a pod may wait for a machine that has room for it, which the cluster may have to get
    first, until its deployment has failed."""
