"""What is kept of who does what, and how often they may try."""

from domain.audit.activities import AuditActivities
from domain.audit.activity_reading import ActivityReading
from domain.audit.address_limits import AddressLimits
from domain.audit.auditing import Auditing
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts
from domain.audit.story_keeping import StoryKeeping
from domain.ports import AuditLog, Clock
from infra.settings.adapters import AccessSettings


def compose_audit(
    log: AuditLog, clock: Clock, settings: AccessSettings, *, period: float
) -> AuditActivities:
    """Logins that were counted, and what becomes of resources, are kept every `period` seconds."""
    logins = LoginCounts(log, clock, period=period)
    limits = AddressLimits(clock, most=settings.refused_per_minute)
    return AuditActivities(
        Auditing(log, clock),
        CredentialDoor(limits, logins),
        logins,
        StoryKeeping(log, clock, period=period),
        ActivityReading(log),
    )
