"""What keeps scripts apart, said at start: a host does not start without what it must have."""

import logging
from collections.abc import Sequence
from typing import Final, Literal

from domain.ports import IsolationPart

_log = logging.getLogger(__name__)

_HELD: Final = {"action": "isolation_held"}
_LACKING: Final = {"action": "isolation_lacking"}


class NotIsolated(Exception):
    """The machine lacks what is required; the message says what."""


def tell(parts: Sequence[IsolationPart], choice: Literal["auto", "required", "off"]) -> None:
    """Each part, in the log. Raises NotIsolated where one is lacking that is required."""
    for part in parts:
        if part.held:
            told = "Isolation of scripts: %s is held: %s"
            _log.info(told, part.part, part.detail, extra=_HELD)
        else:
            told = "Isolation of scripts: %s is NOT held: %s"
            _log.warning(told, part.part, part.detail, extra=_LACKING)
    lacking = [f"{part.part} ({part.detail})" for part in parts if not part.held]
    if lacking and choice == "required":
        raise NotIsolated(
            "ML_ENDPOINTS_ISOLATION is required, and a script here is not kept in every "
            f"part: {'; '.join(lacking)}"
        )
