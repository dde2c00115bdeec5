import pytest

from domain.assets.datastore import kind_of, locate, shown_uri, storage_account_id
from domain.errors import Invalid, NotFound
from domain.ports import BlobFolder
from tests.kit.composed import SCOPE
from tests.kit.stages.asset_stage import BASE_URL, AssetStage

ARM = SCOPE.path("datastores", "workspaceblobstore")
LONG = f"azureml:/{SCOPE.id}".replace("/providers/Microsoft.MachineLearningServices", "")


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/workspaceblobstore/paths/a/b c",
        "azureml://datastores/workspaceblobstore/paths/a/b c/",
        "azureml://Datastores/WorkspaceBlobStore/Paths/a/b c",
        f"{LONG}/datastores/workspaceblobstore/paths/a/b c",
        f"azureml:/{ARM}/paths/a/b c",
        f"{ARM}/paths/a/b c",
        f"azureml:{ARM}/paths/a/b c",
        f"{BASE_URL}/blobs/workspaceblobstore/a/b%20c",
        f"{BASE_URL}/blobs/workspaceblobstore/a/b%20c/",
        f"{BASE_URL}/blobs/workspaceblobstore/a/b%20c/?sig=secret",
    ],
)
async def test_one_place_has_many_spellings(stage: AssetStage, uri: str) -> None:
    assert locate(uri, SCOPE, stage.blobs) == BlobFolder("workspaceblobstore", "a/b c")


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://datastores/workspaceblobstore",
        "azureml://datastores/workspaceblobstore/paths/",
        f"{BASE_URL}/blobs/workspaceblobstore",
        f"{BASE_URL}/blobs/workspaceblobstore/",
        ARM,
    ],
)
async def test_a_whole_container_can_be_meant(stage: AssetStage, uri: str) -> None:
    assert locate(uri, SCOPE, stage.blobs) == BlobFolder("workspaceblobstore", "")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "1 to 4096"),
        ("x" * 5000, "1 to 4096"),
        ("model.pkl", "not a URI"),
        ("./model", "not a URI"),
        ("/etc/passwd", "not a URI"),
        ("file:///etc/passwd", "upload it first"),
        ("https://example.com/model.pkl", "upload it first"),
        ("http://169.254.169.254/latest/meta-data", "upload it first"),
        (f"{BASE_URL}/blobs/workspaceblobstore/../system/x", "upload it first"),
        (f"{BASE_URL}/blobs/workspaceblobstore/%2e%2e/system/x", "upload it first"),
        (f"{BASE_URL}/blobs/system/plan", "not open to users"),
        ("azureml://datastores/other/paths/x", "no datastore 'other'"),
        ("azureml://datastores/workspaceblobstore/paths/../system/x", "'..'"),
        ("azureml://datastores/workspaceblobstore/paths/a//b", "empty segment"),
        ("azureml://datastores/workspaceblobstore/paths/a\x00b", "control character"),
        ("azureml://datastores/workspaceblobstore/x", "does not name a path"),
        ("azureml://jobs/1/outputs/x", "does not name a path"),
        ("azureml://subscriptions/other/x", "not in this workspace"),
        (f"{ARM}/paths/a".replace("group", "elsewhere"), "not in this workspace"),
        ("azureml://datastores/workspaceblobstore/paths/" + "x" * 1100, "1024"),
    ],
)
async def test_a_uri_that_points_elsewhere_is_refused(
    stage: AssetStage, uri: str, why: str
) -> None:
    with pytest.raises(Invalid, match=why) as raised:
        locate(uri, SCOPE, stage.blobs, target="properties.x")
    assert raised.value.target == "properties.x"


async def test_the_inbox_can_be_meant(stage: AssetStage) -> None:
    uri = "azureml://datastores/batchinbox/paths/digits/a.csv"
    assert locate(uri, SCOPE, stage.blobs) == BlobFolder("batch-inbox", "digits/a.csv")


async def test_a_blob_a_folder_and_nothing_are_told_apart(stage: AssetStage) -> None:
    await stage.upload("models/a/model.pkl")
    container = "workspaceblobstore"
    assert await kind_of(BlobFolder(container, "models/a/model.pkl"), stage.blobs) == "blob"
    assert await kind_of(BlobFolder(container, "models/a"), stage.blobs) == "folder"
    assert await kind_of(BlobFolder(container, ""), stage.blobs) == "folder"
    assert await kind_of(BlobFolder(container, "model"), stage.blobs) is None
    assert await kind_of(BlobFolder("azureml-none", ""), stage.blobs) is None


async def test_the_default_datastore_tells_where_its_container_is(stage: AssetStage) -> None:
    found = stage.datastores.get("WorkspaceBlobStore")
    assert (found.name, found.is_default) == ("workspaceblobstore", True)
    address = f"{found.protocol}://{found.endpoint}/{found.container_name}"
    assert address == stage.blobs.url("workspaceblobstore")
    with pytest.raises(NotFound, match="'other'"):
        stage.datastores.get("other")


async def test_azures_form_of_a_datastores_url_leads_to_the_same_blobs(stage: AssetStage) -> None:
    """As the official SDK makes it of the account's name."""
    found = stage.datastores.get("workspaceblobstore")
    url = f"{found.protocol}://{found.account_name}.blob.core.windows.net/{found.container_name}"
    assert stage.blobs.locate(f"{url}/a/b.txt") == ("workspaceblobstore", "a/b.txt")
    context = f"{BASE_URL}/workspaceblobstore/a/b.txt"
    assert stage.blobs.locate(context) == ("workspaceblobstore", "a/b.txt")
    assert stage.blobs.locate(context.replace("workspaceblobstore", "endpoints")) is None


async def test_an_upload_is_a_datastore_to_read_from(stage: AssetStage) -> None:
    """So that clients find the files of what was registered by its URL."""
    name = "azureml-00000000-0000-4000-8000-000000000000"
    found = stage.datastores.get(name)
    assert (found.container_name, found.is_default) == (name, False)
    assert name not in {each.name for each in stage.datastores.all()}
    assert "sp=rl" in await stage.datastores.sas_token(name)
    folder = locate(f"azureml://datastores/{name}/paths/model", SCOPE, stage.blobs)
    assert folder == BlobFolder(name, "model")
    shown = shown_uri(stage.blobs.url(name, "model"), folder, SCOPE)
    assert locate(shown, SCOPE, stage.blobs) == folder
    with pytest.raises(NotFound):
        stage.datastores.get("azureml-other")


def test_an_azure_containers_account_is_found_in_its_url() -> None:
    id = storage_account_id(SCOPE, "https://account.blob.core.windows.net/container")
    assert id.endswith("/providers/Microsoft.Storage/storageAccounts/account")
