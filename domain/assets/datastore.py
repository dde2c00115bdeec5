"""Datastores, and how a URI points into one.

There are two, each a container of the blob store: the default `workspaceblobstore`, and
`batchinbox`, which holds the batch endpoints' drop folders. A URI may also be a URL of the
blob store itself.
"""

import re
import unicodedata
from datetime import timedelta
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from domain.errors import BlobNotFound, Invalid, NotFound
from domain.names import PROVIDER, WorkspaceScope
from domain.ports import BlobFolder, BlobStore, Permission
from domain.values import Value

DEFAULT = "workspaceblobstore"
"""The name of the default datastore and of the container behind it."""
INBOX = "batch-inbox"
"""The container that blobs are dropped into; nothing is written there by a job."""
INBOX_DATASTORE = "batchinbox"
"""The inbox as a datastore, so that who may list its secrets may drop by URL."""
COLLECTED = "modelDataCollector"
"""The folder of the default datastore below which data collectors write what names no other."""
SYSTEM_CONTAINER = "system"
"""Ours alone; no URI from a user reaches it."""

URL_VALIDITY = timedelta(hours=1)
"""Of every URL that carries its own permission: whoever needs it for longer asks again."""

_CONTAINERS = {DEFAULT: DEFAULT, INBOX_DATASTORE: INBOX}
UPLOAD_PREFIX = "azureml-"
"""Of the container of an upload, which is a datastore to read from."""
_UPLOAD = re.compile(rf"{UPLOAD_PREFIX}[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}")
_READ = frozenset({Permission.READ, Permission.LIST})
_READ_WRITE = frozenset({Permission.READ, Permission.WRITE, Permission.LIST})
_PERMISSIONS = {
    DEFAULT: _READ_WRITE,
    # Tools that move or mirror files take back what they dropped.
    INBOX_DATASTORE: _READ_WRITE | {Permission.DELETE},
}
_ONLY = f"'{DEFAULT}' and '{INBOX_DATASTORE}' are the only ones so far"

_MAX_URI = 4096
_MAX_BLOB_NAME = 1024
_FORMS = (
    f"azureml://datastores/{DEFAULT}/paths/<path>, a datastore's ARM id followed by "
    "/paths/<path>, or a URL of this installation's blob store"
)


def locate(
    uri: str, scope: WorkspaceScope, blobs: BlobStore, *, target: str | None = None
) -> BlobFolder:
    """The blob or folder that `uri` points at, whether or not anything is there.

    Reads `azureml://datastores/{d}/paths/{p}`, the long form that begins with
    `azureml://subscriptions/`, a datastore's ARM id with `/paths/{p}`, and URLs of `blobs`
    (a query is ignored). The path has no slash at its end. Raises Invalid, with `target`,
    for anything else.
    """
    if not uri or len(uri) > _MAX_URI:
        _refuse(f"A URI has 1 to {_MAX_URI} characters.", target)
    if uri.casefold().startswith("azureml://"):
        return _of_datastore(_short(uri[len("azureml://") :], uri, scope, target), uri, target)
    if uri.startswith(("/subscriptions/", "azureml:/subscriptions/")):
        below = scope.relative(uri)
        if below is None:
            _refuse(f"'{uri}' is not in this workspace ({scope.id}).", target)
        return _of_datastore(below, uri, target)
    # A slash at the end says "folder", but is in no blob's name.
    found = blobs.locate(uri.partition("?")[0].removesuffix("/"))
    if found is not None:
        return _folder(*found, uri, target)
    if "://" in uri:
        _refuse(
            f"'{uri[:200]}' is not in this installation's blob store: upload it first. "
            f"Use {_FORMS}.",
            target,
        )
    _refuse(f"'{uri[:200]}' is not a URI; use {_FORMS}.", target)


async def kind_of(folder: BlobFolder, blobs: BlobStore) -> Literal["blob", "folder"] | None:
    """What is there: one blob, a folder with a blob in it, or nothing."""
    if folder.path:
        try:
            await blobs.properties(folder.container, folder.path)
        except BlobNotFound:
            pass
        else:
            return "blob"
    prefix = f"{folder.path}/" if folder.path else ""
    async for _ in blobs.list(folder.container, prefix):
        return "folder"
    return None


def _short(rest: str, uri: str, scope: WorkspaceScope, target: str | None) -> list[str]:
    """The segments from `datastores` on, of what follows `azureml://`."""
    segments = rest.split("/")
    if segments[0].casefold() != "subscriptions":
        return segments
    lower = [segment.casefold() for segment in segments]
    # The SDK writes the long form without the provider's two segments, ARM with them.
    if lower[4:6] == ["providers", PROVIDER.casefold()]:
        del segments[4:6], lower[4:6]
    wanted = [
        *("subscriptions", scope.subscription.casefold()),
        *("resourcegroups", scope.resource_group.casefold()),
        *("workspaces", scope.workspace.casefold()),
    ]
    if lower[:6] != wanted:
        _refuse(f"'{uri}' is not in this workspace ({scope.id}).", target)
    return segments[6:]


def _of_datastore(segments: list[str], uri: str, target: str | None) -> BlobFolder:
    lower = [segment.casefold() for segment in segments]
    named = len(segments) >= 2 and lower[0] == "datastores"
    if not named or (len(segments) > 2 and lower[2] != "paths"):
        asset = " A data asset is named azureml:<name>:<version>." if "data" in lower else ""
        _refuse(f"'{uri[:200]}' does not name a path of a datastore; use {_FORMS}.{asset}", target)
    container = _container(lower[1])
    if container is None:
        _refuse(f"There is no datastore '{segments[1][:80]}'; {_ONLY}.", target)
    return _folder(container, "/".join(segments[3:]), uri, target)


def _folder(container: str, path: str, uri: str, target: str | None) -> BlobFolder:
    path = path.removesuffix("/")
    if container == SYSTEM_CONTAINER:
        _refuse(f"'{uri[:200]}' is in a container that is not open to users.", target)
    if len(path) > _MAX_BLOB_NAME:
        _refuse(f"The path of '{uri[:80]}…' is over {_MAX_BLOB_NAME} characters.", target)
    if path and any(segment in ("", ".", "..") for segment in path.split("/")):
        _refuse(f"'{uri[:200]}' has a path with an empty segment, '.' or '..' in it.", target)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        _refuse(f"{uri[:200]!r} has a path with a control character in it.", target)
    return BlobFolder(container, path)


def _refuse(message: str, target: str | None) -> NoReturn:
    raise Invalid(message, target=target)


class Datastore(Value):
    """A container of the blob store under a name. The blob store's address is told in
    Azure's parts, `{protocol}://{account_name}.blob.{endpoint}/{container_name}`. Where it is no
    Azure account, it is `{protocol}://{endpoint}/{container_name}`, and `account_name` is what
    makes the first form lead there as well, whatever cloud's suffix a client puts behind `.blob.`:
    the official SDK knows no other form."""

    name: str
    container_name: str
    account_name: str
    endpoint: str
    protocol: str
    is_default: bool


class Datastores:
    """The built-in datastores and the keys to them."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def get(self, name: str) -> Datastore:
        """Raises NotFound."""
        found = name.casefold()
        container = _container(found)
        if container is None:
            raise NotFound(f"Datastore '{name[:80]}' was not found; {_ONLY}.")
        address = self._blobs.url(container)
        account, suffix = _account(address)
        place = _above(address)
        return Datastore(
            name=found,
            container_name=container,
            account_name=account or place,
            endpoint=suffix or place,
            protocol=urlsplit(address).scheme,
            is_default=found == DEFAULT,
        )

    def all(self) -> list[Datastore]:
        """The default one first."""
        return [self.get(name) for name in _CONTAINERS]

    async def sas_token(self, name: str) -> str:
        """The query that opens every blob of the datastore to read, write and list; of the
        inbox, to delete too; of an upload's, not to write."""
        found = self.get(name)
        permissions = _PERMISSIONS.get(found.name, _READ)
        signed = await self._blobs.sign(found.container_name, None, permissions, URL_VALIDITY)
        return urlsplit(signed).query


def scope_of(container: str) -> str:
    """Where a role is given for it, as a path below the workspace: that of the datastore that it
    is; an upload's container is none."""
    named = next((name for name, each in _CONTAINERS.items() if each == container), None)
    return f"uploads/{container}" if named is None else f"datastores/{named}"


def _container(datastore: str) -> str | None:
    """Of a datastore's name in small letters: each upload is one besides those that are listed."""
    if _UPLOAD.fullmatch(datastore):
        return datastore
    return _CONTAINERS.get(datastore)


def shown_uri(uri: str, folder: BlobFolder, scope: WorkspaceScope) -> str:
    """`uri`, which leads to `folder`, as Azure ML's clients can read it: a URL of the blob store,
    or an output of a job, as a path of a datastore, which says nothing of where the host is."""
    if not uri.casefold().startswith(("https://", "http://", "azureml://jobs/")):
        return uri
    names = {container: name for name, container in _CONTAINERS.items()}
    datastore = names.get(folder.container, folder.container)
    return (
        f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}"
        f"/workspaces/{scope.workspace}/datastores/{datastore}/paths/{folder.path}"
    )


def uri_of(datastore: str, path: str) -> str:
    """The short form, which says nothing of where the host is reached."""
    return f"azureml://datastores/{datastore}/paths/{path}"


def account_url(container_url: str) -> str:
    """What Azure's clients take for the account of a container's URL."""
    return container_url.rstrip("/").rpartition("/")[0]


def storage_account_id(scope: WorkspaceScope, container_url: str) -> str:
    """The ARM id that clients expect of the account behind the blob store. Nothing answers
    at it: an embedded blob store is no resource of its own."""
    account = _account(container_url)[0] or "local"
    return (
        f"/subscriptions/{scope.subscription}/resourceGroups/{scope.resource_group}"
        f"/providers/Microsoft.Storage/storageAccounts/{account}"
    )


def _account(container_url: str) -> tuple[str, str]:
    """The account of a container's URL and what follows `.blob.`; empty for no Azure account."""
    account, _, suffix = (urlsplit(container_url).hostname or "").partition(".blob.")
    return (account, suffix) if suffix else ("", "")


def _above(container_url: str) -> str:
    """A container's URL without its protocol and its container."""
    url = urlsplit(container_url)
    return url.netloc + url.path.rstrip("/").rpartition("/")[0]
