"""Plain URLs of containers and blobs, below the base address of a blob store."""

from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from domain import errors
from infra.rules import blob_names

_PORTS: Final = {"http": 80, "https": 443}


def plain(base: str, container: str, name: str | None = None) -> str:
    """`base` has no slash at its end; no name: the container's own."""
    path = f"{base}/{container}"
    return path if name is None else f"{path}/{quote(name, safe='/')}"


def located(base: str, url: str) -> tuple[str, str] | None:
    """Container and name (empty: the container itself, with a slash at the end or none) of a URL
    as `plain` makes them, whatever its query; None for any other."""
    try:
        path = _below(base, url)
        if path is None:
            return None
        container, _, name = path.partition("/")
        name = unquote(name, errors="strict")
        blob_names.check_container(container)
    except (ValueError, errors.Invalid):
        return None
    if name and blob_names.fault_of(name) is not None:
        return None
    return container, name


def _below(base: str, url: str) -> str | None:
    """What follows on `base` in the path of a URL that has its origin and begins as it does."""
    if url.startswith(f"{base}/") and url.isascii() and url.isprintable():
        # As nearly all are: nothing else could be read in them.
        return url[len(base) + 1 :].partition("#")[0].partition("?")[0]
    here, there = urlsplit(f"{base}/"), urlsplit(url)
    if _origin(here) != _origin(there) or not there.path.startswith(here.path):
        return None
    return there.path.removeprefix(here.path)


def _origin(url: SplitResult) -> tuple[str, str | None, str | None, int | None]:
    return url.scheme, url.username, url.hostname, url.port or _PORTS.get(url.scheme)
