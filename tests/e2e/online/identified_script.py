"""A scoring script that asks others as whom its deployment is, by Azure's own libraries, and says
what came of it. It runs in a model's environment, and imports nothing of the tests."""

import json
import os
import sys
from typing import Any

# Where the tests have azure-identity and azure-storage-blob; a user's environment has them itself.
sys.path.append(os.environ["PACKAGES"])

import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.storage.blob import BlobServiceClient


def init() -> None:
    pass


def run(asked: Any) -> Any:
    if isinstance(asked, str):
        return answered(json.loads(asked))
    rows = []
    for path in asked:
        with open(path) as file:
            rows.append(json.dumps(answered(json.load(file))))
    return rows


def credential(asked: dict[str, Any]) -> Any:
    if asked.get("client"):
        return ManagedIdentityCredential(client_id=asked["client"])
    return DefaultAzureCredential(managed_identity_client_id=os.environ.get("UAI_CLIENT_ID"))


def answered(asked: dict[str, Any]) -> Any:
    try:
        return WHAT[asked["what"]](asked)
    except ClientAuthenticationError as error:
        return str(error)
    except HttpResponseError as error:
        return f"{error.status_code} {getattr(error, 'error_code', None)}"


def read(asked: dict[str, Any]) -> str:
    return str(blob(asked).download_blob().readall(), "utf-8")


def write(asked: dict[str, Any]) -> str:
    blob(asked).upload_blob(b"written", overwrite=True)
    return "written"


def names(asked: dict[str, Any]) -> list[str]:
    container = store(asked).get_container_client(asked["container"])
    return [found.name for found in container.list_blobs(name_starts_with=asked["name"])]


def blob(asked: dict[str, Any]) -> Any:
    return store(asked).get_blob_client(asked["container"], asked["name"])


def store(asked: dict[str, Any]) -> BlobServiceClient:
    account = os.environ["AZURE_STORAGEBLOB_RESOURCEENDPOINT"]
    return BlobServiceClient(account, credential=credential(asked), retry_total=0)


def call(asked: dict[str, Any]) -> int:
    """With a token for what is asked for, or with one that is given."""
    token = asked.get("token") or get(asked)
    headers = {"authorization": f"Bearer {token}"}
    answer = requests.request(asked["method"], asked["url"], json={}, headers=headers)
    return int(answer.status_code)


def get(asked: dict[str, Any]) -> str:
    token: str = credential(asked).get_token(asked["scope"]).token
    return token


def rest(asked: dict[str, Any]) -> Any:
    """As Azure ML's examples ask without a library."""
    url = os.environ["MSI_ENDPOINT"] + "?resource=https://storage.azure.com/"
    secret = asked.get("secret") or os.environ["MSI_SECRET"]
    answer = requests.get(url, headers={"secret": secret, "Metadata": "true"})
    return answer.status_code, sorted(answer.json())


def metadata(asked: dict[str, Any]) -> Any:
    """As on a virtual machine."""
    url = os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] + "/metadata/identity/oauth2/token"
    answer = requests.get(url, params={"resource": asked["scope"]}, headers=asked["headers"])
    return answer.status_code


def variables(asked: dict[str, Any]) -> Any:
    return {name: os.environ.get(name) for name in asked["names"]}


WHAT = {each.__name__: each for each in (read, write, names, call, get, rest, metadata, variables)}
