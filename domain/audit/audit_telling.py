"""What telemetry is told of the audit log: each record that has ended, by the logger
`ml_endpoints.audit`. Where there is no telemetry nobody listens: the log of the host does not
repeat what the audit log has."""

import logging
from typing import Final

from domain.ports import AuditRecord

LOGGER: Final = "ml_endpoints.audit"
EVENT: Final = "AuditRecord"
"""The name under which Application Insights has them, among its custom events."""

_log = logging.getLogger(LOGGER)
_log.propagate = False
_log.setLevel(logging.INFO)


def tell(record: AuditRecord) -> None:
    if not _log.handlers:
        return
    shown = record.model_dump(mode="json", by_alias=True, exclude={"roles"})
    fields = {name: value for name, value in shown.items() if value not in (None, "")}
    who = record.client or record.caller or "somebody"
    _log.info(
        "%s of %s by %s: %s",
        record.action,
        record.resource or "the workspace",
        who,
        record.status.value,
        extra={
            "microsoft.custom_event.name": EVENT,
            **{f"audit.{name}": value for name, value in fields.items()},
            "audit.roles": ", ".join(record.roles),
        },
    )
