"""Whether a namespace may be used, before anything is deployed there."""

from typing import Final

from infra.compute.kubernetes.api.kubernetes_api import (
    DEPLOYMENTS,
    PODS,
    SERVICE_ACCOUNTS,
    SLICES,
    ApiRefusal,
    KubernetesApi,
    Object,
)
from infra.compute.kubernetes.cluster_capabilities import Trial
from infra.compute.kubernetes.names import MANAGER
from infra.compute.kubernetes.refusals import told

_NAME: Final = "mle-trial"


class NamespaceTrial(Trial):
    def __init__(self, api: KubernetesApi) -> None:
        self._api = api

    async def of(self, namespace: str) -> str | None:
        """What the cluster says against it, in sentences. Nothing is made. Raises Unavailable."""
        body: Object = {
            "apiVersion": SERVICE_ACCOUNTS.api_version,
            "kind": SERVICE_ACCOUNTS.name,
            "metadata": {"name": _NAME},
            "automountServiceAccountToken": False,
        }
        try:
            await self._api.apply(
                SERVICE_ACCOUNTS, namespace, _NAME, body, manager=MANAGER, is_trial=True
            )
            for kind in (DEPLOYMENTS, PODS, SLICES):
                await self._api.list(kind, namespace, {"labelSelector": "ml-endpoints.trial"})
        except ApiRefusal as refusal:
            return told(refusal, namespace)
        return None
