"""What a request to the door names, before anything is done about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import Request

from domain import errors
from infra.embedded.blobs.rest.refusals import bad_header, bad_query

PREFIX = "/blobs/"
AZURE_PREFIX = "/blobs.blob."
"""With the suffix of a cloud behind it: where a client asks that makes Azure's form of URL of a
datastore's `accountName`."""

_SIGNED = ("sv", "sr", "sp", "se", "si", "sig")
_PARAMETERS = {
    *(*_SIGNED, "api-version", "timeout", "comp", "restype"),
    *("prefix", "delimiter", "marker", "maxresults", "include", "blockid", "blocklisttype"),
}
_MOST_PARAMETERS = 50
# To ignore one of these would be to do something else than what was asked.
_UNSUPPORTED_HEADERS = {
    "x-ms-lease-id": "leases",
    "x-ms-if-tags": "tags",
    "x-ms-tags": "tags",
    "x-ms-encryption-key": "keys of the caller's own",
    "x-ms-encryption-scope": "encryption scopes",
    "x-ms-immutability-policy-until-date": "immutability policies",
    "x-ms-legal-hold": "legal holds",
    "x-ms-blob-public-access": "public access",
    "x-ms-content-crc64": "CRC-64 sums; send a Content-MD5",
    "x-ms-range-get-content-crc64": "CRC-64 sums; ask for x-ms-range-get-content-md5",
    "x-ms-structured-body": "structured bodies; send a Content-MD5",
}


@dataclass(frozen=True)
class ContainerRequest:
    """`check_open` raises Forbidden once nothing is written to the container any more. `bearer` is
    the token that is shown where the URL has no signature; its query is none of a signed URL's."""

    container: str
    query: Mapping[str, str]
    http: Request
    check_open: Callable[[], None]
    bearer: str | None

    @property
    def headers(self) -> Headers:
        return self.http.headers


@dataclass(frozen=True)
class BlobRequest(ContainerRequest):
    """`name` is the blob's."""

    name: str


def named(path: str, query_string: str) -> tuple[str, str, dict[str, str]]:
    """Container, name of the blob ('' for none) and parameters. Raises Refusal for a URL that names
    nothing."""
    _, _, below = path.removeprefix("/").partition("/")
    container, _, name = below.partition("/")
    try:
        query = _parameters(query_string)
        container = unquote(container, errors="strict")
        name = unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise bad_query("The URL's path is not UTF-8.", "InvalidUri") from None
    except ValueError:
        raise bad_query("The URL has too many parameters.", "InvalidUri") from None
    if not container:
        raise bad_query("The URL names no container; accounts are not served.", "InvalidUri")
    return container, name, query


def _parameters(query_string: str) -> dict[str, str]:
    """Blank ones too. Raises ValueError for too many."""
    fields = query_string.replace("+", " ").split("&")
    if len(fields) > _MOST_PARAMETERS:
        raise ValueError(f"{len(fields)} parameters")
    pairs = (each.partition("=") for each in fields if each)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def parsed(http: Request, check_open: Callable[[str], None]) -> ContainerRequest:
    """Raises Refusal for a URL that names nothing."""
    path: bytes = http.scope["raw_path"]
    query_string: bytes = http.scope["query_string"]
    container, name, query = named(path.decode("latin-1"), query_string.decode("latin-1"))
    is_open = partial(check_open, container)
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    bearer = None
    if scheme.casefold() == "bearer" and "sig" not in query:
        bearer = token.strip()
        # What a signature would vouch for, nobody does.
        query = {name: value for name, value in query.items() if name not in _SIGNED}
    if not name:
        return ContainerRequest(container, query, http, is_open, bearer)
    return BlobRequest(container, query, http, is_open, bearer, name)


def check_supported(request: ContainerRequest) -> None:
    """Raises Refusal for what a client may rely on and would not get."""
    for name in request.query:
        if name not in _PARAMETERS:
            raise bad_query(
                f"The parameter {name[:40]!r} is not understood here.", "UnsupportedQueryParameter"
            )
    if "x-ms-copy-source" in request.headers:
        raise errors.Unsupported(
            "Nothing is copied from a URL here: read the source and put what was read."
        )
    for name, what in _UNSUPPORTED_HEADERS.items():
        if name in request.headers:
            raise bad_header(f"{name}: no {what} here.", "UnsupportedHeader")
