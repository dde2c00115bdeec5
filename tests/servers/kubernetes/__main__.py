"""`python -m tests.servers.kubernetes FOLDER COMMAND…`: runs it beside a cluster of the tests' own
that it sees as one that is really there, by a kubeconfig; claims are bound to FOLDER."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.fleets.real_cluster import KUBECONFIG, PREFIX
from tests.kit.clusters.cluster_images import base_registry
from tests.servers.engine.given import given_engine
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster

_TEAM = "team"


def main(share: Path, command: list[str]) -> int:
    share.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ml-endpoints-")))
        registry = stack.enter_context(base_registry(folder / "registry"))
        cluster = stack.enter_context(Cluster(folder / "tls", given_engine()))
        cluster.call(lambda: cluster.namespace(_TEAM))
        for namespace in (NAMESPACE, _TEAM):
            cluster.claim("tests", share, namespace)
        told = {
            KUBECONFIG: str(cluster.kubeconfig(folder / "kubeconfig")),
            f"{PREFIX}REGISTRY": registry.url,
            f"{PREFIX}BASE_IMAGE": registry.base,
            f"{PREFIX}STORAGE": f"tests:{share}",
            f"{PREFIX}ADDRESS": cluster.gateway,
            f"{PREFIX}NAMESPACE": _TEAM,
        }
        return subprocess.run(command, env={**os.environ, **told}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
