"""What is kept of who does what, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.audit.activity_reading import ActivityReading
from domain.audit.auditing import Auditing
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts
from domain.audit.story_keeping import StoryKeeping


@dataclass(frozen=True)
class AuditActivities:
    auditing: Auditing
    door: CredentialDoor
    logins: LoginCounts
    story: StoryKeeping
    activity: ActivityReading

    async def close(self) -> None:
        """What was gathered is kept."""
        await self.logins.close()
        await self.story.end()
