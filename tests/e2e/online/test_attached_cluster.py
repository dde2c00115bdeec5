"""A namespace of the cluster, attached as a compute, through the door: endpoints and jobs there."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest

from cli.main import main
from infra.compute.kubernetes.names import KEY
from outside import scoring_files as batch
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.chosen import chosen_name
from tests.fleets.fleet import Fleet
from tests.kit.users import official_sdk
from tests.kit.waiting import until

pytestmark = [
    pytest.mark.journey,
    pytest.mark.cluster,
    pytest.mark.skipif(chosen_name() != "kubernetes", reason="only a cluster has namespaces"),
]
HOST_ENVIRONMENT = {"ML_ENDPOINTS_KUBERNETES_REACH": "machines"}
"""So that this way of reaching pods is gone, too."""
YAML = """
name: {name}
type: kubernetes
namespace: {namespace}
default_instance_type: small
instance_types:
  small:
    resources:
      requests: {{cpu: 50m, memory: 64Mi}}
      limits: {{cpu: 1, memory: 512Mi}}
"""


@runtime_checkable
class Clustered(Protocol):
    """A fleet of pods."""

    def another_namespace(self) -> str:
        """One that may be attached."""

    def pods_in(self, namespace: str, host: RunningHost) -> list[dict[str, Any]]:
        """A host's."""


@pytest.fixture(scope="module")
def team(fleet: Fleet) -> str:
    assert isinstance(fleet, Clustered)
    return fleet.another_namespace()


def pods(fleet: Fleet, host: RunningHost, namespace: str) -> list[dict[str, Any]]:
    assert isinstance(fleet, Clustered)
    return fleet.pods_in(namespace, host)


@pytest.fixture
def mle(host: RunningHost, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("MLE_CONNECTION", str(host.data_dir / "connection.json"))
    return lambda *words: main(list(words))


def test_a_deployment_runs_in_the_namespace_that_is_attached(
    host: RunningHost, fleet: Fleet, team: str, tmp_path: Path, mle: Callable[..., int]
) -> None:
    file = tmp_path / "compute.yml"
    file.write_text(YAML.format(name="team", namespace=team))
    assert mle("compute", "attach", "-f", str(file)) == 0
    serving.endpoint(host, "there", compute="team")
    code = serving.codes(host, "there", {"score.py": serving.ECHO})
    asked = {"containerResourceLimits": {"memory": "256Mi"}}
    serving.deploy(
        host,
        "there/blue",
        code,
        endpointComputeType="Kubernetes",
        instanceType="small",
        containerResourceRequirements=asked,
    )
    serving.traffic(host, "there", blue=100)
    with serving.caller(host, "there") as caller:
        assert caller.post("", json={"a": 1}).json() == {"a": 1}
    [pod] = pods(fleet, host, team)
    assert pod["metadata"]["annotations"][KEY] == "online/there/blue"
    [container] = pod["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }
    assert mle("compute", "detach", "-n", "team", "--yes") != 0, "it is used"
    host.workspace.mutate("DELETE", "onlineEndpoints/there")
    assert pods(fleet, host, team) == []
    assert mle("compute", "detach", "-n", "team", "--yes") == 0


def test_a_job_runs_in_the_namespace_that_is_attached(
    host: RunningHost, fleet: Fleet, team: str, tmp_path: Path, mle: Callable[..., int]
) -> None:
    file = tmp_path / "compute.yml"
    file.write_text(YAML.format(name="crew", namespace=team))
    assert mle("compute", "attach", "-f", str(file)) == 0
    compute = f"{host.workspace.connection['workspace']}/computes/crew"
    batch.batch(host, "crew", compute=compute)
    gate = host.meeting / "crew-open"
    files = batch.data(host, {"a.txt": "one\n", "b.txt": "two\n"})
    name = batch.started(host, "crew", files, environmentVariables={"GATE": str(gate)})
    there = until(lambda: pods(fleet, host, team), "a node in the namespace")
    assert {pod["metadata"]["annotations"][KEY] for pod in there} == {"workers/crew"}
    gate.touch()
    shown = batch.ended(host, name)
    assert shown["status"] == "Completed"
    assert batch.rows(host, shown) == [("a.txt", "0", "ONE"), ("b.txt", "0", "TWO")]
    assert mle("compute", "detach", "-n", "crew", "--yes") != 0, "it is used"
    host.workspace.mutate("DELETE", "batchEndpoints/crew")
    assert mle("compute", "detach", "-n", "crew", "--yes") == 0


def test_the_official_sdk_attaches_and_deploys(
    host: RunningHost,
    team: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not os.environ.get("SDK_TESTS"):
        pytest.skip("the official SDK (58 MB) is tried where SDK_TESTS=1 asks for it, as CI does")
    folder = tmp_path_factory.mktemp("sdk")
    given = os.environ.get("SDK_PYTHON")
    python = Path(given) if given else official_sdk.installed(folder)
    monkeypatch.setenv("SDK_NAMESPACE", team)
    done = official_sdk.run(python, "clusters", host, [str(folder)])
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"step"')]
    assert len(told) == 4
    assert [each for each in told if "error" in each] == []
