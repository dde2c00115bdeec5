"""Instance types as a file has them, and what pods become of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import Invalid
from domain.ports import EnvironmentSpec, InstanceSize
from infra.compute.kubernetes.cluster_capabilities import ClusterCapabilities, Trial
from infra.compute.kubernetes.cluster_types import AZURES, TypesFault, read_types
from infra.compute.kubernetes.pods.pod_template import pod_of
from infra.compute.registry.programs.program_images import ProgramImage
from infra.compute.remote.fleet import NodeGroup
from infra.compute.remote.remote_capabilities import ImageFacts, RemoteCapabilities
from tests.kit.clusters.hollow_cluster import AROUND, program

FILE = """
defaultInstanceType: small
instanceTypes:
  small:
    resources: {requests: {cpu: 200m, memory: 512Mi}, limits: {cpu: "1", memory: 1Gi}}
  Gpu:
    nodeSelector: {agentpool: gpus}
    resources: {limits: {cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"}}
"""


def capabilities(text: str, folder: Path) -> ClusterCapabilities:
    file = folder / "types.yaml"
    file.write_text(text)
    shared = RemoteCapabilities(_NoFacts(), EnvironmentSpec("3.11", ()), tuple)
    return ClusterCapabilities(shared, read_types(file), _NoTrial(), None)


class _NoTrial(Trial):
    async def of(self, namespace: str) -> str | None:
        return None


class _NoFacts(ImageFacts):
    async def pinned(self, image: str) -> str:
        return image

    async def built(self, environment: EnvironmentSpec) -> None:
        return None


def test_a_type_of_the_cluster_is_found_by_its_name_and_azures_beside(tmp_path: Path) -> None:
    can = capabilities(FILE, tmp_path)
    assert can.size("gpu").memory == 16 * 2**30
    assert can.size(None) == can.size("local") == can.size("SMALL")
    assert can.size("Standard_DS1_v2").memory == int(3.5 * 2**30)
    assert can.size("defaultinstancetype").cpu == 2
    with pytest.raises(Invalid, match="This cluster's own are defaultinstancetype, gpu, small"):
        can.size("huge")


async def test_a_type_that_there_is_not_and_a_dockerfile_are_refused_at_once(
    tmp_path: Path,
) -> None:
    can = capabilities(FILE, tmp_path)
    assert await can.refusals(EnvironmentSpec("3.11", ()), "gpu") == []
    [told] = await can.refusals(EnvironmentSpec("3.11", ()), "huge")
    assert "huge" in told


def test_pods_are_where_their_type_says_and_ask_for_what_it_does(tmp_path: Path) -> None:
    types = capabilities(FILE, tmp_path)
    file = read_types(tmp_path / "types.yaml")
    group = NodeGroup("g", "online/a/b", program(types.size("gpu")), {"mode": "serve"}, "s" * 40)
    image = ProgramImage("registry.example/it", "", False, True)
    pod = pod_of(group, image, "it", replace(AROUND, types=file))
    assert pod["nodeSelector"] == {"agentpool": "gpus"}
    [container] = pod["containers"]
    assert container["resources"]["limits"] == {
        "cpu": "4",
        "memory": "16Gi",
        "nvidia.com/gpu": "1",
    }
    assert container["resources"]["requests"] == container["resources"]["limits"]
    group = replace(group, program=program(types.size(None)))
    [container] = pod_of(group, image, "it", replace(AROUND, types=file))["containers"]
    assert container["resources"]["requests"] == {"cpu": "200m", "memory": "512Mi"}


def test_without_a_file_there_is_what_azure_ml_has(tmp_path: Path) -> None:
    shared = RemoteCapabilities(_NoFacts(), EnvironmentSpec("3.11", ()), tuple)
    size = ClusterCapabilities(shared, AZURES, _NoTrial(), None).size(None)
    assert (size.cpu, size.memory, size.whole) == (2, 2 * 2**30, False)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[]", ["has no instanceTypes"]),
        (
            "instanceTypes: {a: 1, b: {}}",
            ["instanceTypes.a: ", "dictionary"],
        ),
        (
            "instanceTypes: {b: {}, c: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}}",
            [
                "b.resources.limits.cpu: A type says how much cpu",
                "c.resources.limits.memory",
                "c.resources.requests.cpu: 2 are asked for, and 1 are the limit",
            ],
        ),
        (
            "{instanceTypes: {a: {resources: {limits: {cpu: 1, memory: lots}}, sku: x}}}",
            ["a.sku: Extra inputs are not permitted", "'lots' is no quantity"],
        ),
        (
            "instanceTypes: {a: {resources: {requests: {amd.com/gpu: 2}, limits: "
            "{cpu: 1, memory: 1Gi, amd.com/gpu: 1, nvidia.com/gpu: 500m}}}}",
            ["as many are asked for as are the limit", "nvidia.com/gpu comes in whole numbers"],
        ),
        (
            "defaultInstanceType: b\n"
            "instanceTypes: {a: {resources: {limits: {cpu: 1, memory: 1Gi}}}}",
            ["there is no 'b' among instanceTypes"],
        ),
    ],
)
def test_every_fault_of_a_file_is_told_at_once(
    tmp_path: Path, text: str, faults: list[str]
) -> None:
    with pytest.raises(TypesFault) as caught:
        capabilities(text, tmp_path)
    for fault in faults:
        assert fault in str(caught.value)


def test_pods_of_jobs_have_the_priority_that_gives_way() -> None:
    around = replace(AROUND, priorities={"serve": "high", "work": "low"})
    image = ProgramImage("registry.example/it", "", False, True)
    group = NodeGroup("g", "online/a/b", program(InstanceSize(1, 2**30)), {}, "s" * 40)
    for mode, name in around.priorities.items():
        pod = pod_of(replace(group, spec={"mode": mode}), image, "it", around)
        assert pod["priorityClassName"] == name
    pod = pod_of(replace(group, spec={"mode": "work"}), image, "it", AROUND)
    assert "priorityClassName" not in pod
