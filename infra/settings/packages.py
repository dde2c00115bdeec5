"""Where models' packages come from."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field

from domain.ports import Credentials
from infra.settings.group import SettingsGroup
from infra.settings.values import Unit

IndexStrategy = Literal["first-index", "unsafe-first-match", "unsafe-best-match"]


@dataclass(frozen=True)
class IndexAddress:
    """A package index, and who opens it."""

    url: str
    credentials: Credentials | None = field(default=None, repr=False)


def _index(value: Any) -> Any:
    """No message says what was given: it may have a password in it."""
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be an http(s) address without a query") from None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ValueError("must be an http(s) address without a query")
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    if parts.username is None and parts.password is None:
        return IndexAddress(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return IndexAddress(url, Credentials(user, password))


def _indexes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(_index(each) for each in value.split(",") if each.strip())


_ADDRESS = Unit("https://[user:password@]host/path")

Index = Annotated[IndexAddress, BeforeValidator(_index), _ADDRESS]
Indexes = Annotated[
    tuple[IndexAddress, ...], BeforeValidator(_indexes), Unit("several between commas")
]


class PackageSettings(SettingsGroup):
    """Where models' packages come from."""

    index: Index | None = Field(None, alias="ML_ENDPOINTS_PACKAGE_INDEX", repr=False)
    """The package index of environments that name none (`--index-url` in their conda file): a
    mirror, instead of PyPI. Like the next one it may carry a user and a password, which only the
    build of an environment is told."""
    extra_indexes: Indexes = Field((), alias="ML_ENDPOINTS_PACKAGE_EXTRA_INDEXES", repr=False)
    """Package indexes that every environment has besides, and before the other."""
    index_strategy: IndexStrategy = Field(
        "first-index", alias="ML_ENDPOINTS_PACKAGE_INDEX_STRATEGY"
    )
    """Where several indexes have a package: `first-index` takes it from the first of them alone,
    so that nobody can offer a private package's name elsewhere. With `unsafe-first-match` the
    next one is asked if no version fits; `unsafe-best-match` takes the best version of all, as
    pip does."""
