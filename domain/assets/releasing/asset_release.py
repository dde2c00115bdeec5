"""Files that a version left behind, until nothing uses them: a document beside the version's
container, written in the transaction that deletes the version."""

import re
from datetime import datetime, timedelta
from uuid import uuid4

from domain.assets.datastore import DEFAULT
from domain.ports import BlobFolder, Create, Document, Json, Replace
from domain.values import Value

KIND = "assetRelease"

ABANDONED = timedelta(days=1)
"""After this an upload that no version was registered from is taken for given up."""

_UPLOAD = re.compile(r"azureml-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""A container of one upload. An account may have others whose names begin so, of a workspace of
Azure's for one: nothing in these is ours to delete."""
_SDK_UPLOADS = "LocalUpload/"
"""Where the SDK puts the files of an asset in the default datastore, by their hash."""


class AssetRelease(Value):
    """`place` is freed once nothing uses it. `going`: it is to be freed, and nothing more may be
    registered there. `of` is the version for the log, and `seal` names the list of its files."""

    of: str
    place: BlobFolder | None
    seal: str | None = None
    going: bool = False

    def to_body(self) -> Json:
        return {"kind": KIND, "going": self.going, "release": self.to_document()}


def from_document(document: Document) -> AssetRelease:
    return AssetRelease.from_document(document.body["release"])


def of_version(of: str, folder: BlobFolder | None, seal: str | None, now: datetime) -> list[Create]:
    """What is written with the deletion of a version that leaves something of the asset's own."""
    place = own_place(folder)
    if place is None and seal is None:
        return []
    return [_created(AssetRelease(of=of, place=place, seal=seal), now)]


def of_upload(of: str, container: str, now: datetime) -> Create:
    """What is written as an upload begins, which may come to nothing."""
    return _created(AssetRelease(of=of, place=BlobFolder(container, "")), now + ABANDONED)


def own_place(folder: BlobFolder | None) -> BlobFolder | None:
    """The place that was made for an asset's files and for nothing else; None where they are in a
    place of the user's."""
    if folder is None:
        return None
    if _UPLOAD.fullmatch(folder.container):
        return BlobFolder(folder.container, "")
    if folder.container == DEFAULT and folder.path.startswith(_SDK_UPLOADS):
        return BlobFolder(DEFAULT, "/".join(folder.path.split("/")[:2]))
    return None


def overlap(one: BlobFolder, other: BlobFolder) -> bool:
    """Whether one of them is the other, or in it."""
    if one.container != other.container:
        return False
    paths = [f"{place.path}/" if place.path else "" for place in (one, other)]
    return paths[0].startswith(paths[1]) or paths[1].startswith(paths[0])


def replaced(release: AssetRelease, document: Document, due: datetime) -> Replace:
    return Replace(document.id, release.to_body(), document.etag, due_at=due.timestamp())


def _created(release: AssetRelease, due: datetime) -> Create:
    return Create(f"release:{uuid4()}", release.to_body(), due_at=due.timestamp())
