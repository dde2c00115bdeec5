"""Content put into the place a host gives for it; an interrupted upload goes on where it was."""

import base64
import json
import time
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

from cli.assets.content import Content, ContentFile
from cli.failures import CommandFailed
from cli.host.arm import Arm, path
from cli.host.contexts import config_folder
from cli.host.private_files import forget_old, write_private
from cli.host.wire import Wire
from cli.output.progress import Progress

_PIECE = 8 * 1024 * 1024
_TRIES = 5
_KEPT = 86_400.0
"""Seconds: no place takes files for longer."""


class Place(NamedTuple):
    """Where files go: the folder's address, and the signed query that lets them in."""

    uri: str
    query: str

    def below(self, name: str) -> "Place":
        return self._replace(uri=f"{self.uri}/{name}")


def upload(arm: Arm, kind: str, name: str, version: str, content: Content) -> str:
    """Upload content for `kind/name/versions/version`, which isn't there yet, and return the URI
    to register. What an earlier try of the same content has put there is not sent again.
    Raises CommandFailed."""
    kept = _kept_file(arm, kind, name, version, content)
    place = _kept(kept)
    if place is not None and not _open(arm.wire, place):
        place = None
    if place is None:
        place = _begun(arm, kind, name, version)
        forget_old(kept.parent, seconds=_KEPT)
        write_private(kept, json.dumps([place.uri, place.query]))
    name = quote(content.source.resolve().name)
    # A folder keeps its name where it is run, as Azure's tools have it: scripts count on that.
    inside = place if content.source.is_file() else place.below(name)
    with Progress(f"Uploading {content.source.name}", content.size) as progress:
        for file in content.files:
            put_file(arm.wire, inside, file, progress)
    kept.unlink(missing_ok=True)
    return place.below(name).uri


def _begun(arm: Arm, kind: str, name: str, version: str) -> Place:
    answer = arm.post(
        f"{path(kind, name, 'versions', version)}/startPendingUpload",
        {"pendingUploadType": "TemporaryBlobReference"},
    )["blobReferenceForConsumption"]
    _, _, query = answer["credential"]["sasUri"].partition("?")
    return Place(answer["blobUri"], query)


def put_file(wire: Wire, place: Place, file: ContentFile, progress: Progress) -> None:
    """Put one file into a place, large ones in pieces. Raises CommandFailed."""
    address = f"{place.uri}/{quote(file.name)}?{place.query}"
    if file.size <= _PIECE:
        content = file.path.read_bytes()
        _send(wire, "PUT", address, {"x-ms-blob-type": "BlockBlob"}, content)
        progress.add(len(content))
        return
    there = _waiting(wire, address)
    ids = []
    with file.path.open("rb") as opened:
        for number in range(-(-file.size // _PIECE)):
            size = min(_PIECE, file.size - number * _PIECE)
            block = base64.b64encode(f"{number:08}".encode()).decode()
            ids.append(block)
            if there.get(block) != size:
                _send(
                    wire,
                    "PUT",
                    f"{address}&comp=block&blockid={quote(block)}",
                    {},
                    _piece(opened, number),
                )
            progress.add(size)
    listed = "".join(f"<Latest>{block}</Latest>" for block in ids)
    whole = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    _send(wire, "PUT", f"{address}&comp=blocklist", {}, whole.encode())


def _piece(opened: IO[bytes], number: int) -> bytes:
    opened.seek(number * _PIECE)
    return opened.read(_PIECE)


def _send(wire: Wire, method: str, url: str, headers: dict[str, str], content: bytes) -> bytes:
    pause = 0.5
    for left in reversed(range(_TRIES)):
        try:
            answer = wire.send(method, url, headers, content)
            body = answer.read()
        except CommandFailed:
            # To put the same piece again changes nothing.
            if left == 0:
                raise
        else:
            if answer.status < 400:
                return body
            if answer.status not in (408, 429, 500, 502, 503, 504) or left == 0:
                raise CommandFailed(
                    f"The upload was refused: {answer.status} {body[:500].decode(errors='replace')}"
                )
        time.sleep(pause)
        pause *= 2
    raise AssertionError("unreachable")


def _waiting(wire: Wire, address: str) -> dict[str, int]:
    """The blocks of an earlier try, by id, with their sizes."""
    answer = wire.send("GET", f"{address}&comp=blocklist&blocklisttype=uncommitted", {})
    body = answer.read()
    if answer.status != 200:
        return {}
    found = ElementTree.fromstring(body.lstrip(b"\xef\xbb\xbf"))
    return {
        block.findtext("Name", ""): int(block.findtext("Size", "0"))
        for block in found.iter("Block")
    }


def _open(wire: Wire, place: Place) -> bool:
    """Whether a place kept from an earlier try still takes files."""
    container = place.uri.split("?")[0]
    answer = wire.send(
        "GET", f"{container}?{place.query}&restype=container&comp=list&maxresults=1", {}
    )
    answer.read()
    return answer.status == 200


def _kept_file(arm: Arm, kind: str, name: str, version: str, content: Content) -> Path:
    from hashlib import sha256

    whole = "\n".join([arm.context.url, arm.context.workspace, kind, name, version, content.digest])
    return config_folder() / "uploads" / sha256(whole.encode()).hexdigest()[:32]


def _kept(file: Path) -> Place | None:
    try:
        uri, query = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Place(uri, query)
