"""What the embedded host takes from host.json, with the Functions host's own defaults."""

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.embedded.host.functions import AppError

_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")


@dataclass(frozen=True)
class HostJson:
    """The part of host.json that means something here; the rest is Azure's."""

    route_prefix: str = "api"
    max_concurrent_calls: int = 16
    max_auto_lock_renewal: timedelta = timedelta(minutes=5)
    blob_parallelism: int = 8
    poison_blob_threshold: int = 5


def read_host_json(path: Path) -> HostJson:
    """Raises AppError, naming the key, for a value that the Functions host would refuse."""
    if not path.exists():
        return HostJson()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        extensions = content.get("extensions", {})
        http, bus, blobs = (extensions.get(k, {}) for k in ("http", "serviceBus", "blobs"))
        default = HostJson()
        return HostJson(
            route_prefix=str(http.get("routePrefix", default.route_prefix)).strip("/"),
            max_concurrent_calls=_count(bus, "maxConcurrentCalls", default.max_concurrent_calls),
            max_auto_lock_renewal=_span(
                bus, "maxAutoLockRenewalDuration", default.max_auto_lock_renewal
            ),
            blob_parallelism=_count(blobs, "maxDegreeOfParallelism", default.blob_parallelism),
            poison_blob_threshold=_count(
                blobs, "poisonBlobThreshold", default.poison_blob_threshold
            ),
        )
    except (OSError, ValueError, AttributeError) as error:
        raise AppError(f"host.json: {error}") from error


def _count(section: dict[str, Any], key: str, default: int) -> int:
    value = section.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} must be a whole number of 1 or more")
    return value


def _span(section: dict[str, Any], key: str, default: timedelta) -> timedelta:
    if key not in section:
        return default
    match = _SPAN.fullmatch(str(section[key]))
    if match is None:
        raise ValueError(f"{key} must be a time span such as 00:05:00")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
