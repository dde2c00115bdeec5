"""The kinds of objects that the server knows."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """`group` is '' for the core; `definition` is what the schemas call it."""

    group: str
    version: str
    plural: str
    kind: str
    definition: str
    namespaced: bool = True
    has_generation: bool = False
    short: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"


def _core(plural: str, kind: str, **more: object) -> Kind:
    return Kind("", "v1", plural, kind, f"io.k8s.api.core.v1.{kind}", **more)  # type: ignore[arg-type]


KINDS: Final = (
    _core("namespaces", "Namespace", namespaced=False, short=("ns",)),
    _core("pods", "Pod", short=("po",)),
    _core("services", "Service", short=("svc",)),
    _core("secrets", "Secret"),
    _core("configmaps", "ConfigMap", short=("cm",)),
    _core("serviceaccounts", "ServiceAccount", short=("sa",)),
    _core("persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",)),
    _core("resourcequotas", "ResourceQuota", short=("quota",)),
    _core("events", "Event", short=("ev",)),
    Kind("apps", "v1", "deployments", "Deployment", "io.k8s.api.apps.v1.Deployment",
         has_generation=True, short=("deploy",)),
    Kind("apps", "v1", "replicasets", "ReplicaSet", "io.k8s.api.apps.v1.ReplicaSet",
         has_generation=True, short=("rs",)),
    Kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget",
         "io.k8s.api.policy.v1.PodDisruptionBudget", has_generation=True, short=("pdb",)),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy",
         "io.k8s.api.networking.v1.NetworkPolicy", has_generation=True, short=("netpol",)),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice",
         "io.k8s.api.discovery.v1.EndpointSlice"),
    Kind("rbac.authorization.k8s.io", "v1", "roles", "Role", "io.k8s.api.rbac.v1.Role"),
    Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding",
         "io.k8s.api.rbac.v1.RoleBinding"),
)  # fmt: skip
BY_PLURAL: Final = {each.plural: each for each in KINDS}
BY_KIND: Final = {each.kind: each for each in KINDS}
