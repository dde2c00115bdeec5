"""A Kubernetes cluster as a platform that the contract is tried on."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from infra.compute.kubernetes.api.cluster_access import ClusterAccess, cluster_access
from infra.compute.kubernetes.api.kubernetes_api import PODS, KubernetesApi
from infra.compute.kubernetes.cluster_types import AZURES
from infra.compute.kubernetes.kubernetes_fleet import KubernetesFleet
from infra.compute.kubernetes.pods.known_pods import Patience
from infra.compute.kubernetes.pods.pod_template import Surroundings
from infra.compute.remote.fleet import Fleet, Node
from infra.embedded.blobs.file_blob_store import FileBlobStore
from tests.contract.fleets.platform import Opener, Platform
from tests.kit.clusters.cluster_images import base_registry
from tests.servers.engine.given import given_engine
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster


@contextmanager
def cluster(folder: Path) -> Iterator[Platform]:
    engine = given_engine()
    with ExitStack() as stack:
        registry = stack.enter_context(base_registry(folder / "base"))
        there = stack.enter_context(Cluster(folder, engine))
        config = there.kubeconfig(folder / "config")
        lost = there.kubeconfig(folder / "lost")
        lost.write_text(lost.read_text().replace(f":{there.port}", ":9"))
        around = Surroundings(
            NAMESPACE, False, (), False, 16, 32, None, (), AZURES, {}, False, None
        )

        def at(config: Path) -> Opener:
            def opened(blobs: FileBlobStore, folder: Path, installation: str) -> Fleet:
                async def named() -> str:
                    return installation

                api = KubernetesApi(cluster_access(config, None, {}))
                images = registry.images(blobs, folder).images
                return KubernetesFleet(api, images, named, around, Patience(600, 60))

            return opened

        counts = pod_is_ready(cluster_access(config, None, {}), NAMESPACE)
        yield Platform(
            "kubernetes",
            at(config),
            at(lost),
            "No API server at",
            keeps_words=False,
            counts=counts,
        )


def pod_is_ready(access: ClusterAccess, namespace: str) -> Callable[[Node], Awaitable[bool]]:
    """Pods that are not ready go before any that is, whatever it costs to delete them."""

    async def counts(node: Node) -> bool:
        api = KubernetesApi(access)
        try:
            pod = await api.get(PODS, namespace, node.id.partition(".")[0])
        finally:
            await api.close()
        conditions = ((pod or {}).get("status") or {}).get("conditions") or []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    return counts
