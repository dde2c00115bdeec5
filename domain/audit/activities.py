"""What is kept of who does what, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.audit.auditing import Auditing
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts


@dataclass(frozen=True)
class AuditActivities:
    auditing: Auditing
    door: CredentialDoor
    logins: LoginCounts
