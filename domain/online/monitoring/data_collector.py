"""What of a deployment's requests, and of what its script says, is kept to monitor its model."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from domain.errors import Detail
from domain.values import Value

REQUEST: Final = "request"
RESPONSE: Final = "response"
PAYLOAD: Final = frozenset({REQUEST, RESPONSE})
"""Collections that the gateway fills; all others are the script's."""
MOST: Final = 5
"""Collections of a deployment, as in Azure ML."""

_AT: Final = "properties.dataCollector"
_SECRET: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-functions-key", "x-api-key"}
)

HeaderName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!#$%&'*+.^_`|~\w-]+$")]
FieldName = Annotated[str, Field(min_length=1, max_length=200)]


class CollectionMode(StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class RollingRate(StrEnum):
    """How much time goes into one folder."""

    YEAR = "Year"
    MONTH = "Month"
    DAY = "Day"
    HOUR = "Hour"
    MINUTE = "Minute"


class SensitiveKind(StrEnum):
    """What is recognised by its looks."""

    EMAIL = "Email"
    CARD_NUMBER = "CardNumber"
    IP_ADDRESS = "IpAddress"


class Collection(Value):
    """`data_id` names the data asset, a folder of the default datastore, below which it is
    written. `client_id`, the identity that Azure ML writes with, is kept and has no effect: the app
    writes with its own."""

    data_collection_mode: CollectionMode = CollectionMode.DISABLED
    data_id: str | None = None
    sampling_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    client_id: str | None = None

    @property
    def is_enabled(self) -> bool:
        return self.data_collection_mode is CollectionMode.ENABLED


class RequestLogging(Value):
    capture_headers: tuple[HeaderName, ...] = ()


class Redaction(Value):
    """What is taken out before anything is written: the values of `fields`, wherever they stand
    (names in any case, `*` for any letters), and in all text what looks like one of `kinds`."""

    fields: tuple[FieldName, ...] = ()
    kinds: tuple[SensitiveKind, ...] = ()


class DataCollector(Value):
    """Azure ML's, and `redaction`, which is ours."""

    collections: dict[str, Collection]
    request_logging: RequestLogging | None = None
    rolling_rate: RollingRate = RollingRate.HOUR
    redaction: Redaction | None = None

    @property
    def enabled(self) -> Mapping[str, Collection]:
        return {name: each for name, each in self.collections.items() if each.is_enabled}

    @property
    def of_script(self) -> Mapping[str, Collection]:
        """Those that the script fills."""
        return {name: each for name, each in self.enabled.items() if name.lower() not in PAYLOAD}

    def of_gateway(self, name: str) -> tuple[str, Collection] | None:
        """The enabled one of PAYLOAD, with its name as it is spelled."""
        return next((each for each in self.enabled.items() if each[0].lower() == name), None)

    @property
    def headers(self) -> frozenset[str]:
        """Those that are captured, in small letters."""
        logging = self.request_logging
        return frozenset(name.lower() for name in (logging.capture_headers if logging else ()))


def faults(collector: DataCollector | None) -> list[Detail]:
    """What of it cannot be, apart from what its data assets are."""
    if collector is None:
        return []
    found = []
    at = f"{_AT}.collections"
    if not 1 <= len(collector.collections) <= MOST:
        told = f"A deployment has 1 to {MOST} collections, not {len(collector.collections)}."
        found.append(Detail("BadArgument", told, at))
    for name in collector.collections:
        if not _is_word(name):
            told = f"A collection's name is 1 to 80 letters, digits, - and _, not '{name[:80]}'."
            found.append(Detail("InvalidName", told, at))
    folded = {name.lower() for name in collector.collections}
    if len(folded) < len(collector.collections):
        found.append(Detail("BadArgument", "Two collections have one name.", at))
    for name in sorted(collector.headers & _SECRET):
        told = f"'{name}' carries credentials, which are never written down: leave it out."
        found.append(Detail("BadArgument", told, f"{_AT}.requestLogging.captureHeaders"))
    return found


def _is_word(name: str) -> bool:
    return len(name) <= 80 and name.isascii() and name.replace("_", "a").replace("-", "a").isalnum()
