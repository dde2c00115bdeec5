"""Datastores, and how a URI points into one.

There is one datastore so far: the default `workspaceblobstore`, a container of the blob
store. A URI may also be a URL of the blob store itself.
"""

import unicodedata
from typing import Literal, NoReturn

from domain.errors import BlobNotFound, Invalid
from domain.names import PROVIDER, WorkspaceScope
from domain.ports import BlobFolder, BlobStore

DEFAULT = "workspaceblobstore"
"""The name of the default datastore and of the container behind it."""
SYSTEM_CONTAINER = "system"
"""Ours alone; no URI from a user reaches it."""

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
    found = blobs.locate(uri)
    if found is not None:
        return _folder(*found, uri, target)
    if "://" in uri:
        _refuse(
            f"'{uri[:200]}' is not in this installation's blob store, and nothing is fetched "
            f"from elsewhere: upload it first. Use {_FORMS}.",
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
        _refuse(f"'{uri[:200]}' does not name a path of a datastore; use {_FORMS}.", target)
    if lower[1] != DEFAULT:
        _refuse(
            f"There is no datastore '{segments[1][:80]}'; '{DEFAULT}' is the only one so far.",
            target,
        )
    return _folder(DEFAULT, "/".join(segments[3:]), uri, target)


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
