"""The workspace itself, its datastores, connections and computes."""

from azure.ai.ml import load_compute
from azure.ai.ml.entities import (
    AmlCompute,
    AzureBlobDatastore,
    ComputeInstance,
    UsernamePasswordConfiguration,
    WorkspaceConnection,
)

from outside.official_sdk.kit import WORKSPACE, client, file, play, refused, same, step


@step
def workspace_get() -> None:
    same(client.workspaces.get(WORKSPACE).name, WORKSPACE)


@step
def workspace_list() -> None:
    same([each.name for each in client.workspaces.list()], [WORKSPACE])


@step
def workspace_list_of_the_subscription() -> None:
    same([each.name for each in client.workspaces.list(scope="subscription")], [WORKSPACE])


@step
def datastore_get() -> None:
    found = client.datastores.get("workspaceblobstore")
    same((found.type, found.container_name), ("AzureBlob", "workspaceblobstore"))


@step
def datastore_get_with_secrets() -> None:
    found = client.datastores.get("workspaceblobstore", include_secrets=True)
    same("sig=" in found.credentials.sas_token, True)


@step
def datastore_get_default() -> None:
    same(client.datastores.get_default().name, "workspaceblobstore")


@step
def datastore_list() -> None:
    found = [each.name for each in client.datastores.list()]
    same(found, ["workspaceblobstore", "batchinbox"])


@step
def datastore_that_is_not_there() -> None:
    refused(lambda: client.datastores.get("nobody"), "nobody")


@step
def datastore_create_is_refused_and_says_why() -> None:
    wanted = AzureBlobDatastore(name="mine", account_name="account", container_name="container")
    refused(lambda: client.datastores.create_or_update(wanted), "built-in")


@step
def connection_create() -> None:
    made = client.connections.create_or_update(
        WorkspaceConnection(
            name="feed",
            type="python_feed",
            target="https://packages.example/simple",
            credentials=UsernamePasswordConfiguration(username="me", password="secret"),
        )
    )
    same(made.name, "feed")


@step
def connection_get_and_list() -> None:
    same(client.connections.get("feed").target, "https://packages.example/simple")
    same([each.name for each in client.connections.list()], ["feed"])


@step
def connection_delete() -> None:
    client.connections.delete("feed")
    same(list(client.connections.list()), [])


@step
def compute_create() -> None:
    made = client.compute.begin_create_or_update(
        AmlCompute(
            name="cluster",
            size="Standard_DS3_v2",
            min_instances=0,
            max_instances=2,
            idle_time_before_scale_down=120,
            tier="dedicated",
        )
    ).result()
    same((made.name, made.max_instances), ("cluster", 2))


@step
def compute_by_yaml() -> None:
    yaml = file(
        "compute.yml",
        "name: by-yaml\ntype: amlcompute\nsize: STANDARD_DS3_v2\nmax_instances: 1\n",
    )
    same(client.compute.begin_create_or_update(load_compute(yaml)).result().name, "by-yaml")


@step
def compute_get() -> None:
    found = client.compute.get("cluster")
    same((found.type, found.provisioning_state), ("amlcompute", "Succeeded"))


@step
def compute_update() -> None:
    found = client.compute.get("cluster")
    found.max_instances = 3
    same(client.compute.begin_update(found).result().max_instances, 3)


@step
def compute_list() -> None:
    same({each.name for each in client.compute.list()} >= {"cluster", "by-yaml"}, True)


@step
def compute_list_by_type() -> None:
    found = {each.name for each in client.compute.list(compute_type="AMLCompute")}
    same("cluster" in found, True)


@step
def compute_list_nodes() -> None:
    same(list(client.compute.list_nodes("cluster")), [])


@step
def compute_list_sizes() -> None:
    found = {each.name: each for each in client.compute.list_sizes()}
    same(vars(found["Standard_DS3_v2"])["vCPUs"], 4)


@step
def compute_list_usage() -> None:
    found = list(client.compute.list_usage())
    same(len(found) > 0, True)
    same(all(each.limit is not None for each in found), True)


@step
def compute_delete() -> None:
    client.compute.begin_delete("by-yaml").result()
    refused(lambda: client.compute.get("by-yaml"), "by-yaml")


@step
def compute_instance_is_refused_and_says_why() -> None:
    wanted = ComputeInstance(name="notebook", size="Standard_DS3_v2")
    refused(lambda: client.compute.begin_create_or_update(wanted).result(), "ComputeInstance")


@step
def compute_stop_is_refused_and_says_why() -> None:
    refused(lambda: client.compute.begin_stop("cluster").result(), "luster")


if __name__ == "__main__":
    play()
