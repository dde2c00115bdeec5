"""What the value of a setting can be, as it is written in the environment, and its unit."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from domain.schedules.cron import Cron

_BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Unit:
    """What a number counts, for whoever reads of the setting."""

    name: str


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"(\d+)\s*(|Ki|Mi|Gi|Ti)B?", value) if isinstance(value, str) else None
    return int(match[1]) * _BINARY[match[2]] if match else value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http(s) address without a query")
    return value


def _without_slash(value: str) -> str:
    return value.rstrip("/")


def _schedule(value: str) -> str:
    Cron(value)
    return value


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    origins = tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
    for origin in origins:
        parts = urlsplit(origin)
        whole = parts.scheme and parts.netloc and not (parts.path or parts.query or parts.fragment)
        if origin != "*" and not whole:
            raise ValueError(f"`{origin}` is no origin; one is like https://app.example")
    return origins


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(network.strip()) for network in value.split(",") if network.strip())


def _mounts(value: object) -> object:
    if not isinstance(value, str):
        return value
    mounts = tuple(each.strip() for each in value.split(",") if each.strip())
    for mount in mounts:
        parts = mount.split(":")
        if not 2 <= len(parts) <= 3 or not all(part.startswith("/") for part in parts[:2]):
            raise ValueError(f"{mount} is no mount: /folder/there:/folder/in/containers[:ro]")
        if parts[2:] not in ([], ["ro"], ["rw"]):
            raise ValueError(f"{mount}: only ro or rw may follow")
    return mounts


def _storage_mounts(value: object) -> object:
    if not isinstance(value, str):
        return value
    mounts = tuple(each.strip() for each in value.split(",") if each.strip())
    for mount in mounts:
        name, _, place = mount.partition(":")
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name) or not place.startswith("/"):
            raise ValueError(f"{mount} is no mount: storage:/folder/in/containers")
    return mounts


def _engine_address(value: str) -> str:
    if value.startswith("unix:///"):
        return value
    return _without_slash(_web_address(value))


def _texts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(each.strip() for each in value.split(",") if each.strip())


def _folders(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    folders = tuple(Path(folder.strip()) for folder in value.split(",") if folder.strip())
    for folder in folders:
        if not folder.is_absolute():
            raise ValueError(f"`{folder}` is no absolute path")
    return folders


SECONDS = Unit("seconds")
DAYS = Unit("days")
BYTES = Unit("bytes")

Network = IPv4Network | IPv6Network
Networks = Annotated[
    tuple[Network, ...], BeforeValidator(_networks), Unit("several between commas")
]
Origins = Annotated[tuple[str, ...], BeforeValidator(_origins), Unit("several between commas")]
Folders = Annotated[tuple[Path, ...], BeforeValidator(_folders), Unit("several between commas")]
ByteCount = Annotated[int, BeforeValidator(_bytes), Field(gt=0), BYTES]
ReservedBytes = Annotated[int, BeforeValidator(_bytes), Field(ge=0), BYTES]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False), SECONDS]
WebAddress = Annotated[str, AfterValidator(_web_address)]
BaseAddress = Annotated[str, AfterValidator(_web_address), AfterValidator(_without_slash)]
Mounts = Annotated[tuple[str, ...], BeforeValidator(_mounts), Unit("several between commas")]
StorageMounts = Annotated[
    tuple[str, ...], BeforeValidator(_storage_mounts), Unit("several between commas")
]
EngineAddress = Annotated[str, AfterValidator(_engine_address)]
ScoringDomain = Annotated[
    str,
    StringConstraints(
        to_lower=True,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
        r"(:[0-9]{1,5})?$",
    ),
]
HostPort = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}$")
]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Schedule = Annotated[str, AfterValidator(_schedule), Unit("NCRONTAB, six fields")]
Secret = Annotated[str | None, Field(min_length=1, repr=False)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts), Unit("several between commas")]
Guid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.()-]{0,89}$")]
WorkspaceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,32}$")]
Location = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,40}$")]
