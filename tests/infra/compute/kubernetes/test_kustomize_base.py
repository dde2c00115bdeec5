"""deploy/kubernetes: what runs a host of ours inside of a cluster, held against closed schemas, the
restricted standard, and kubectl, which knows nothing of ours."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from infra.compute.kubernetes.names import MANAGER
from infra.compute.kubernetes.pods.pod_template import HOST_LABEL
from infra.settings import Settings
from tests.kit.clusters.kustomize_base import BASE, objects, of
from tests.kit.waiting import until
from tests.servers.kubernetes.cluster import Cluster
from tests.servers.kubernetes.kinds import BY_KIND

NAMESPACE = "ml-endpoints"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    with Cluster(tmp_path) as cluster:
        cluster.call(lambda: cluster.namespace(NAMESPACE, **restricted))
        yield cluster


def test_every_object_is_one_that_a_cluster_takes_and_the_host_comes_up(cluster: Cluster) -> None:
    for each in objects():
        kind = BY_KIND[each["kind"]]
        cluster.apply(kind.plural, NAMESPACE, each, manager="tests")

    def runs() -> bool:
        pods = cluster.call(lambda: cluster.store.all("pods", NAMESPACE))
        return [pod.get("status", {}).get("phase") for pod in pods] == ["Running"]

    until(runs, "the host runs")


def test_kubectl_applies_it_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl on this machine (apt-get install kubernetes-client)")
    config = cluster.kubeconfig(tmp_path / "config")

    def run(*words: str) -> str:
        command = [kubectl, "--kubeconfig", str(config), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("apply", "--server-side", "--validate=ignore", "-k", str(BASE))
    told = run(
        "get", "deployments,services,roles,networkpolicies,pvc", "-n", NAMESPACE, "-o", "name"
    )
    assert "deployment.apps/ml-endpoints" in told.split()
    assert "role.rbac.authorization.k8s.io/ml-endpoints-host" in told.split()
    image = run("get", "deploy", "ml-endpoints", "-n", NAMESPACE, "-o", "jsonpath={..image}")
    assert image.startswith("registry.example/")
    run("delete", "-k", str(BASE))
    assert run("get", "deployments", "-n", NAMESPACE, "-o", "name") == ""


def test_its_settings_are_settings() -> None:
    told: Mapping[str, str] = of("ConfigMap")["data"]
    more = {"ML_ENDPOINTS_IMAGE_REGISTRY": "https://registry.example/team"}
    settings = Settings.read({"ML_ENDPOINTS_PLATFORM": "embedded", **told, **more})
    assert settings.compute.kind == "kubernetes"


def test_the_label_that_lets_hosts_in_is_the_host_s() -> None:
    labels = of("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert HOST_LABEL.items() <= labels.items()
    assert labels["app.kubernetes.io/name"] == "ml-endpoints"
    assert MANAGER == "ml-endpoints"
