"""Files in a workspace's datastores: put there, listed, and fetched."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

from cli.assets.content import Content
from cli.assets.uploading import Place, put_file
from cli.failures import CommandFailed, UsageFailed
from cli.host.arm import Arm, path
from cli.output.progress import Progress

_PREFIX = "azureml://datastores/"
_DATASTORE = re.compile(r"azureml://(?:.+/)?datastores/(?P<store>[^/]+)/paths/(?P<path>.+)", re.I)
_UPLOADED = re.compile(r"(?:/blobs)?/azureml-[0-9a-f-]{36}/.")
_LOCAL_INPUTS = "LocalUpload"


class StoredFile(NamedTuple):
    """A blob: its name below the folder that was listed, and its size in bytes."""

    name: str
    size: int


class Container(NamedTuple):
    """A datastore's container by a signed URL."""

    address: str
    query: str


def container_of(arm: Arm, datastore: str) -> Container:
    """The container of a datastore. Raises CommandFailed."""
    told = arm.get(path("datastores", datastore))["properties"]
    secret = arm.post(f"{path('datastores', datastore)}/listSecrets")["sasToken"]
    address = f"{told['protocol']}://{told['endpoint']}/{told['containerName']}"
    if not told["endpoint"].partition("/")[2] and told.get("accountName"):
        account = f"{told['accountName']}.blob.{told['endpoint']}"
        address = f"{told['protocol']}://{account}/{told['containerName']}"
    return Container(address, secret.lstrip("?"))


def put_content(arm: Arm, datastore: str, content: Content) -> str:
    """Put a file or folder into a datastore under its content's hash, and return where it is; what
    is there already is not sent again. Raises CommandFailed."""
    container = container_of(arm, datastore)
    folder = f"{_LOCAL_INPUTS}/{content.digest}"
    there = {file.name: file.size for file in listed(arm, container, folder)}
    place = Place(f"{container.address}/{folder}", container.query)
    missing = [file for file in content.files if there.get(file.name) != file.size]
    if missing:
        with Progress(f"Uploading {content.source.name}", sum(f.size for f in missing)) as progress:
            for file in missing:
                put_file(arm.wire, place, file, progress)
    uri = f"{_PREFIX}{datastore}/paths/{folder}"
    return f"{uri}/{content.source.name}" if content.source.is_file() else uri


def listed(
    arm: Arm, container: Container, folder: str, *, alone: bool = False
) -> Iterator[StoredFile]:
    """The files of a folder, in order of their names; with `alone` those beside it whose names
    begin as its own. Raises CommandFailed."""
    marker = ""
    prefix = folder if alone else f"{folder.rstrip('/')}/"
    above = prefix.rpartition("/")[0]
    while True:
        query = urlencode(
            {
                "restype": "container",
                "comp": "list",
                "prefix": prefix,
                **({"marker": marker} if marker else {}),
            }
        )
        answer = arm.wire.send("GET", f"{container.address}?{container.query}&{query}", {})
        body = answer.read()
        if answer.status != 200:
            raise CommandFailed(f"{folder} can't be listed: {answer.status} {body[:300]!r}")
        page = ElementTree.fromstring(body.lstrip(b"\xef\xbb\xbf"))
        for blob in page.iter("Blob"):
            name = blob.findtext("Name", "").removeprefix(f"{above}/" if above else "")
            yield StoredFile(name, int(blob.findtext("Properties/Content-Length", "0")))
        marker = page.findtext("NextMarker", "") or ""
        if not marker:
            return


def fetch_source(arm: Arm, uri: str, target: Path) -> Path:
    """Fetch the file or folder that an asset has into `target`, under its own name; where it is
    then. Raises CommandFailed."""
    store, below = of_uri(uri)
    below = below.rstrip("/")
    container = container_of(arm, store)
    above, _, name = below.rpartition("/")
    alone = [file for file in listed(arm, container, below, alone=True) if file.name == name]
    if alone:
        _fetched(arm, container, above, alone, target)
    elif fetch(arm, container, below, target / name) == 0:
        raise CommandFailed(f"There is nothing at {uri}.")
    return target / name


def fetch(arm: Arm, container: Container, folder: str, target: Path) -> int:
    """Fetch a folder's files below `target`; how many there were. Each appears whole or not at
    all. Raises CommandFailed."""
    return _fetched(arm, container, folder, list(listed(arm, container, folder)), target)


def _fetched(
    arm: Arm, container: Container, folder: str, files: list[StoredFile], target: Path
) -> int:
    name = folder or ", ".join(file.name for file in files)
    with Progress(f"Downloading {name}", sum(file.size for file in files)) as progress:
        for file in files:
            local = _below(target, file.name)
            local.parent.mkdir(parents=True, exist_ok=True)
            draft = local.with_name(f".{local.name}.part")
            whole = f"{folder.rstrip('/')}/{file.name}".lstrip("/")
            url = f"{container.address}/{quote(whole)}"
            answer = arm.wire.send("GET", f"{url}?{container.query}", {})
            if answer.status != 200:
                raise CommandFailed(f"{file.name}: {answer.status} {answer.read()[:300]!r}")
            with draft.open("wb") as opened:
                for piece in answer.pieces():
                    opened.write(piece)
                    progress.add(len(piece))
            draft.replace(local)
    return len(files)


def _below(target: Path, name: str) -> Path:
    """A file's place below a folder; names come from elsewhere. Raises CommandFailed."""
    local = (target / name).resolve()
    if not local.is_relative_to(target.resolve()) or local == target.resolve():
        raise CommandFailed(f"The file name {name!r} leads out of {target}.")
    return local


def of_uri(uri: str) -> tuple[str, str]:
    """The datastore and path of `azureml://[…/]datastores/…/paths/…`, or of an address in the
    host's own blob store, where each upload has a container. Raises UsageFailed."""
    found = _DATASTORE.match(uri)
    if found:
        return found["store"], found["path"]
    if not _UPLOADED.match(urlsplit(uri).path):
        raise UsageFailed(f"{uri} is not in a datastore.")
    container, _, below = urlsplit(uri).path.removeprefix("/blobs").lstrip("/").partition("/")
    return container, unquote(below)
