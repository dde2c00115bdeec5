"""The API server that the tests have for a cluster: how strict it is, which clients rest on."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.waiting import until
from tests.servers.kubernetes.api_server import Asked
from tests.servers.kubernetes.cluster import NAMESPACE, Cluster
from tests.servers.kubernetes.kinds import BY_PLURAL
from tests.servers.kubernetes.refusal import Refusal
from tests.servers.kubernetes.store import Object

WEB = "web"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def applied(cluster: Cluster, body: Object, manager: str, *, force: bool = False) -> Object:
    query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
    kind = BY_PLURAL[f"{body['kind'].lower()}s"]
    asked = Asked(kind, NAMESPACE, body["metadata"]["name"], "", query)
    return cluster.call(lambda: cluster.server.apply(asked, body))


def service(port: int, name: str = WEB, **more: Any) -> Object:
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": port}], **more}
    meta = {"name": name}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def claim(**labels: str) -> Object:
    meta = {"name": "shared", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def test_a_field_that_another_has_is_a_conflict_until_it_is_taken_by_force(
    cluster: Cluster,
) -> None:
    applied(cluster, claim(colour="red", mine="1"), "one")
    with pytest.raises(Refusal, match=r'conflict with "one": \.metadata\.labels\.colour') as caught:
        applied(cluster, claim(colour="blue"), "two")
    assert caught.value.status == 409
    taken = applied(cluster, claim(colour="blue"), "two", force=True)
    assert taken["metadata"]["labels"] == {"colour": "blue", "mine": "1"}
    managers = {each["manager"]: each["fieldsV1"] for each in taken["metadata"]["managedFields"]}
    assert managers["one"] == {"f:metadata": {"f:labels": {"f:mine": {}}}}
    assert managers["two"] == {"f:metadata": {"f:labels": {"f:colour": {}}}}


def test_what_is_applied_no_more_goes_unless_another_has_it_too(cluster: Cluster) -> None:
    labels = {"both": "x", "alone": "y"}
    body = {**claim(), "metadata": {"name": "gone", "labels": labels}}
    applied(cluster, body, "one")
    shared = {**body, "metadata": {"name": "gone", "labels": {"both": "x"}}}
    applied(cluster, shared, "two")
    left = applied(cluster, {**body, "metadata": {"name": "gone"}}, "one")
    assert left["metadata"]["labels"] == {"both": "x"}


def test_items_of_a_list_are_merged_by_their_keys(cluster: Cluster) -> None:
    applied(cluster, service(80), "one")
    more = service(443)
    more["spec"] = {"ports": [{"name": "https", "port": 443}]}
    both = applied(cluster, more, "two")
    assert {each["port"] for each in both["spec"]["ports"]} == {80, 443}
    again = applied(cluster, more, "two")
    assert again["metadata"]["resourceVersion"] == both["metadata"]["resourceVersion"]


def test_what_is_no_field_or_of_another_type_is_refused_with_every_fault(cluster: Cluster) -> None:
    with pytest.raises(Refusal, match=r'unknown field "spec\.sessionAffinty"'):
        applied(cluster, service(80, "wrong", sessionAffinty="None"), "one")
    with pytest.raises(Refusal, match=r"spec\.ports\[0\]\.port: Invalid type") as caught:
        applied(cluster, service("eighty", "wrong"), "one")  # type: ignore[arg-type]
    assert caught.value.status == 422


def test_an_old_version_is_not_written_over_and_not_watched_from(cluster: Cluster) -> None:
    body = applied(cluster, service(80, "old"), "one")
    applied(cluster, service(81, "old"), "one")
    kind = BY_PLURAL["services"]
    with pytest.raises(Refusal, match="the object has been modified"):
        cluster.call(lambda: cluster.store.replace(kind, {**body, "spec": {}}))
    cluster.compact()
    with pytest.raises(Refusal, match="too old resource version") as caught:
        cluster.call(lambda: cluster.store.since("services", 1))
    assert caught.value.status == 410


def test_what_an_object_owned_goes_after_it(cluster: Cluster) -> None:
    owner = applied(cluster, claim(), "one")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "shared"}
    owned = service(80, "owned")
    owned["metadata"]["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"]}]
    applied(cluster, owned, "one")
    cluster.call(lambda: cluster.store.remove(BY_PLURAL["configmaps"], NAMESPACE, "shared"))

    def is_gone() -> bool:
        return cluster.call(lambda: cluster.store.find("services", NAMESPACE, "owned")) is None

    until(is_gone, "it has gone")
