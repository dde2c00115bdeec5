"""What is collected, and how a line of it looks: CloudEvents, with the attributes that Azure ML's
data collector gives them."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, cast

from domain.collecting.redacting import Redacted, Redactor, parsed
from domain.online.monitoring.data_collector import RollingRate

JSON: Final = "application/json"
INLINE: Final = 4 * 2**20
"""Bytes of data up to which it stands in the line itself."""

_DEPTH: Final = {
    RollingRate.YEAR: 1,
    RollingRate.MONTH: 2,
    RollingRate.DAY: 3,
    RollingRate.HOUR: 4,
    RollingRate.MINUTE: 5,
}
_OVERHEAD: Final = 1024


@dataclass(frozen=True)
class CollectedRecord:
    """One of a collection. `data` is as it came; `attributes` are further ones of its event."""

    id: str
    time: datetime
    correlation: str
    content_type: str
    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """What it takes of memory, about."""
        return len(self.data) + _OVERHEAD


class Line(NamedTuple):
    """`beside` is data that goes into a blob of its own, called by the record's id."""

    text: bytes
    beside: bytes | None


def sampled(correlation: str, rate: float) -> bool:
    """Of one request all collections are kept, or none, where their rates are one."""
    return rate >= 1 or zlib.crc32(correlation.encode()) < rate * 2**32


def rolled(time: datetime, rate: RollingRate) -> str:
    """The folder of that time."""
    return "/".join(time.strftime("%Y %m %d %H %M").split()[: _DEPTH[rate]])


def rendered(record: CollectedRecord, source: str, type: str, redactor: Redactor, url: str) -> Line:
    """`url` is where data goes that is not in the line."""
    data = redactor.redacted(record.data, record.content_type)
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": record.id,
        "source": source,
        "type": f"azureml.inference.{type}",
        "datacontenttype": record.content_type,
        "time": f"{record.time:%Y-%m-%dT%H:%M:%S}.{record.time.microsecond // 1000:03}Z",
    }
    beside: bytes | None = None
    if isinstance(data, Redacted):
        event["data"] = data.value
        size = len(json.dumps(data.value).encode())
    elif (inline := _inline(data, record.content_type)) is not None:
        event["data"] = inline
        size = len(data)
    else:
        event["dataref"] = url
        event["datainblob"] = "true"
        beside, size = data, len(data)
    event |= redactor.attributes(record.attributes)
    event["contentrange"] = f"bytes 0-{max(size - 1, 0)}/{size}"
    event["correlationid"] = record.correlation
    event.setdefault("xrequestid", record.correlation)
    return Line(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace") + b"\n", beside)


def _inline(data: bytes, content_type: str) -> object | None:
    """None for what is too large, or not text."""
    if len(data) > INLINE:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "json" in content_type:
        try:
            return cast(object, parsed(text))
        except (ValueError, RecursionError):
            return text
    return text
