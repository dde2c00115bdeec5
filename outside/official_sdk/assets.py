"""Models, data, environments and code: registered from local files, read, downloaded, archived."""

from azure.ai.ml import load_data, load_environment, load_model
from azure.ai.ml.constants import AssetTypes, ModelType
from azure.ai.ml.entities import BuildContext, Data, Environment, Model
from azure.ai.ml.entities._assets import Code

from outside.official_sdk.kit import (
    CONDA,
    CONNECTION,
    IMAGE,
    WORK,
    client,
    file,
    play,
    refused,
    same,
    step,
)

# -- Models --


@step
def model_from_a_local_file() -> None:
    made = client.models.create_or_update(
        Model(
            name="note",
            version="1",
            path=str(file("note.txt", "weights")),
            type="custom_model",
            tags={"a": "1"},
            description="one file",
            properties={"origin": "here"},
        )
    )
    same(made.version, "1")
    same(made.tags, {"a": "1"})


@step
def model_from_a_local_folder() -> None:
    file("forest/model.pkl", "trees")
    file("forest/deep/er/part.bin", "more")
    made = client.models.create_or_update(
        Model(name="forest", version="1", path=str(WORK / "forest"), type=AssetTypes.CUSTOM_MODEL)
    )
    same(made.type, "custom_model")


@step
def model_without_a_version() -> None:
    first = client.models.create_or_update(Model(name="counted", path=str(WORK / "note.txt")))
    second = client.models.create_or_update(
        Model(name="counted", path=str(file("other.txt", "others")))
    )
    same([first.version, second.version], ["1", "2"])


@step
def model_by_yaml() -> None:
    yaml = file("model.yml", "name: by-yaml\nversion: 3\npath: note.txt\ntype: custom_model\n")
    same(client.models.create_or_update(load_model(yaml)).version, "3")


@step
def model_by_the_uri_of_a_datastore() -> None:
    source = client.models.get("note", "1").path
    same(source.startswith("azureml://subscriptions/"), True)
    path = "azureml://datastores/workspaceblobstore/paths/" + source.split("/paths/")[1]
    made = client.models.create_or_update(Model(name="by-uri", version="1", path=path))
    same(made.name, "by-uri")


@step
def model_by_url() -> None:
    place = client.models.get("forest", "1").path.split("/paths/")[1]
    url = f"{CONNECTION['url']}/blobs/workspaceblobstore/{place}"
    client.models.create_or_update(Model(name="by-url", version="1", path=url))
    same(client.models.get("by-url", "1").name, "by-url")
    client.models.download("by-url", "1", download_path=str(WORK / "byurl"))
    found = {each.name for each in (WORK / "byurl").rglob("*") if each.is_file()}
    same(found, {"model.pkl", "part.bin"})


@step
def model_of_mlflow() -> None:
    file("flow/MLmodel", "flavors:\n  python_function:\n    loader_module: here\n")
    made = client.models.create_or_update(
        Model(name="flow", version="1", path=str(WORK / "flow"), type=ModelType.MLFLOW)
    )
    same(made.type, "mlflow_model")


@step
def model_get() -> None:
    found = client.models.get("note", "1")
    same(found.description, "one file")
    same(found.properties["origin"], "here")
    same(found.creation_context.created_by is not None, True)


@step
def model_get_by_label() -> None:
    same(client.models.get("counted", label="latest").version, "2")


@step
def model_list() -> None:
    same({each.name for each in client.models.list()} >= {"note", "forest", "counted"}, True)


@step
def model_list_versions() -> None:
    same([each.version for each in client.models.list("counted")], ["2", "1"])


@step
def model_list_by_stage() -> None:
    client.models.create_or_update(
        Model(name="staged", version="1", path=str(WORK / "note.txt"), stage="Production")
    )
    same([each.stage for each in client.models.list("staged", stage="Production")], ["Production"])
    same(list(client.models.list("staged", stage="Other")), [])


@step
def model_update() -> None:
    found = client.models.get("note", "1")
    found.tags = {"b": "2"}
    found.description = "changed"
    changed = client.models.create_or_update(found)
    same((changed.tags, changed.description), ({"b": "2"}, "changed"))


@step
def model_download_of_a_file() -> None:
    client.models.download("note", "1", download_path=str(WORK / "down"))
    found = [each for each in (WORK / "down").rglob("*") if each.is_file()]
    same([each.read_text() for each in found], ["weights"])


@step
def model_download_of_a_folder() -> None:
    client.models.download("forest", "1", download_path=str(WORK / "down2"))
    found = {each.name: each.read_text() for each in (WORK / "down2").rglob("*") if each.is_file()}
    same(found, {"model.pkl": "trees", "part.bin": "more"})


@step
def model_archive_a_version() -> None:
    client.models.archive("counted", version="1")
    same([each.version for each in client.models.list("counted")], ["2"])
    client.models.restore("counted", version="1")
    same(len(list(client.models.list("counted"))), 2)


@step
def model_archive_a_container() -> None:
    client.models.archive("by-yaml")
    same("by-yaml" in {each.name for each in client.models.list()}, False)
    client.models.restore("by-yaml")
    same("by-yaml" in {each.name for each in client.models.list()}, True)


@step
def model_archive_by_label() -> None:
    client.models.archive("counted", label="latest")
    same([each.version for each in client.models.list("counted")], ["1"])
    client.models.restore("counted", version="2")


@step
def model_that_is_not_there() -> None:
    refused(lambda: client.models.get("nobody", "1"), "nobody")


@step
def model_whose_file_is_not_there() -> None:
    refused(lambda: client.models.create_or_update(Model(name="x", path=str(WORK / "none"))))


@step
def model_same_version_with_other_files() -> None:
    other = Model(name="note", version="1", path=str(file("changed.txt", "not the same")))
    refused(lambda: client.models.create_or_update(other), "VersionIsImmutable")


@step
def model_from_the_output_of_a_job_that_is_not_there() -> None:
    path = "azureml://jobs/nothing/outputs/score/paths/"
    refused(lambda: client.models.create_or_update(Model(name="of-job", path=path)), "nothing")


# -- Data --


@step
def data_from_a_local_file() -> None:
    made = client.data.create_or_update(
        Data(name="rows", version="1", path=str(file("rows.csv", "a\n1\n")), type="uri_file")
    )
    same(made.type, "uri_file")


@step
def data_from_a_local_folder() -> None:
    file("table/one.csv", "a\n1\n")
    file("table/two.csv", "a\n2\n")
    made = client.data.create_or_update(
        Data(name="tables", version="1", path=str(WORK / "table"), type="uri_folder")
    )
    same(made.type, "uri_folder")


@step
def data_without_a_version() -> None:
    made = client.data.create_or_update(
        Data(name="auto", path=str(WORK / "rows.csv"), type="uri_file")
    )
    same(made.version, "1")


@step
def data_by_yaml() -> None:
    yaml = file("data.yml", "name: by-yaml\nversion: 2\npath: table\ntype: uri_folder\n")
    same(client.data.create_or_update(load_data(yaml)).version, "2")


@step
def data_of_the_web() -> None:
    path = "https://example.com/some/rows.csv"
    made = client.data.create_or_update(Data(name="web", version="1", path=path, type="uri_file"))
    same(made.path, path)


@step
def data_of_a_datastore() -> None:
    path = "azureml://datastores/workspaceblobstore/paths/"
    path += client.data.get("tables", "1").path.split("/paths/")[1]
    made = client.data.create_or_update(
        Data(name="store", version="1", path=path, type="uri_folder")
    )
    same(made.name, "store")


@step
def data_of_mltable() -> None:
    file(
        "mltable/MLTable",
        "paths:\n  - file: ./one.csv\ntransformations:\n  - read_json_lines\n",
    )
    file("mltable/one.csv", "a\n1\n")
    made = client.data.create_or_update(
        Data(name="mltab", version="1", path=str(WORK / "mltable"), type="mltable")
    )
    same(made.type, "mltable")


@step
def data_get() -> None:
    same(client.data.get("rows", "1").name, "rows")
    same(client.data.get("mltab", "1").type, "mltable")


@step
def data_get_by_label() -> None:
    same(client.data.get("auto", label="latest").version, "1")


@step
def data_list() -> None:
    same({each.name for each in client.data.list()} >= {"rows", "tables", "web"}, True)


@step
def data_list_versions() -> None:
    same([each.version for each in client.data.list("rows")], ["1"])


@step
def data_update() -> None:
    found = client.data.get("rows", "1")
    found.tags = {"b": "2"}
    same(client.data.create_or_update(found).tags, {"b": "2"})


@step
def data_archive_and_restore() -> None:
    client.data.archive("rows", version="1")
    same(list(client.data.list("rows")), [])
    client.data.restore("rows", version="1")
    same(len(list(client.data.list("rows"))), 1)


@step
def data_archive_a_container() -> None:
    client.data.archive("auto")
    same("auto" in {each.name for each in client.data.list()}, False)
    client.data.restore("auto")


@step
def data_that_is_not_there() -> None:
    refused(lambda: client.data.get("nobody", "1"), "nobody")


# -- Environments --


@step
def environment_of_a_conda_file() -> None:
    made = client.environments.create_or_update(
        Environment(
            name="plain",
            version="1",
            image=IMAGE,
            conda_file=str(file("conda.yml", CONDA)),
        )
    )
    same(made.conda_file["name"], "bare")


@step
def environment_of_a_conda_mapping() -> None:
    made = client.environments.create_or_update(
        Environment(
            name="mapped", version="1", image=IMAGE, conda_file={"dependencies": ["python=3.11"]}
        )
    )
    same(made.version, "1")


@step
def environment_without_a_version() -> None:
    made = client.environments.create_or_update(
        Environment(name="auto", image=IMAGE, conda_file=str(WORK / "conda.yml"))
    )
    same(made.version, "1")


@step
def environment_by_yaml() -> None:
    yaml = file("env.yml", f"name: by-yaml\nversion: 2\nimage: {IMAGE}\nconda_file: conda.yml\n")
    same(client.environments.create_or_update(load_environment(yaml)).version, "2")


@step
def environment_get() -> None:
    found = client.environments.get("plain", "1")
    same(found.image, IMAGE)


@step
def environment_get_by_label() -> None:
    same(client.environments.get("plain", label="latest").version, "1")


@step
def environment_list() -> None:
    same({each.name for each in client.environments.list()} >= {"plain", "mapped"}, True)


@step
def environment_list_versions() -> None:
    same([each.version for each in client.environments.list("plain")], ["1"])


@step
def environment_update() -> None:
    found = client.environments.get("plain", "1")
    found.tags = {"b": "2"}
    found.description = "changed"
    same(client.environments.create_or_update(found).tags, {"b": "2"})


@step
def environment_archive_and_restore() -> None:
    client.environments.archive("mapped", version="1")
    same(list(client.environments.list("mapped")), [])
    client.environments.restore("mapped", version="1")
    same(len(list(client.environments.list("mapped"))), 1)


@step
def environment_of_a_build_context() -> None:
    file("context/Dockerfile", "FROM ubuntu\n")
    made = client.environments.create_or_update(
        Environment(name="built", version="1", build=BuildContext(path=str(WORK / "context")))
    )
    same(made.build.dockerfile_path, "Dockerfile")


@step
def environment_that_is_not_there() -> None:
    refused(lambda: client.environments.get("nobody", "1"), "nobody")


# -- Code --


@step
def code_of_a_folder() -> None:
    file("code/score.py", "def init(): pass\ndef run(data): return data\n")
    made = client._code.create_or_update(Code(name="scripts", version="1", path=str(WORK / "code")))
    same(made.name, "scripts")


@step
def code_get() -> None:
    same(client._code.get("scripts", "1").version, "1")


if __name__ == "__main__":
    play()
