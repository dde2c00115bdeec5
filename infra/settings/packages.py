"""Where models' packages come from."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field

from domain.ports import Credentials
from infra.settings.group import PREFIX, SettingsGroup
from infra.settings.values import Unit

PythonPins = Literal["exact", "nearest"]
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


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(each.strip() for each in value.split(",") if each.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"`{name}` is no variable's name")
        if name.startswith(PREFIX):
            raise ValueError(f"`{name}` is the host's own")
    return names


_ADDRESS = Unit("https://[user:password@]host/path")

Index = Annotated[IndexAddress, BeforeValidator(_index), _ADDRESS]
Indexes = Annotated[
    tuple[IndexAddress, ...], BeforeValidator(_indexes), Unit("several between commas")
]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Unit("several between commas")]


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
    python_pins: PythonPins = Field("exact", alias="ML_ENDPOINTS_PYTHON_PINS")
    """Where models are processes: a Python that a conda file pins and that is not on the machine,
    nor to be fetched, is refused (`exact`), or the environment is made with the nearest that is
    there (`nearest`), as its log says: the same minor version, else the next above, else below."""
    python_downloads: bool = Field(True, alias="ML_ENDPOINTS_PYTHON_DOWNLOADS")
    """Whether such a Python is fetched by uv, which knows the digest of each of its own. Where the
    network does not allow it, the build says so."""
    build_variables: Names = Field((), alias="ML_ENDPOINTS_BUILD_VARIABLES")
    """Variables of the host's own environment that builds of environments see, and the code of
    packages that they run, although they may hold a credential (`UV_INDEX_TEAM_PASSWORD`,
    `NETRC`). Of `UV_*` and `PIP_*` a build sees else what opens nothing; scripts see none."""
