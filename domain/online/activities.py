"""What is done with online endpoints, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.sweeping import Resume
from domain.online.endpoint_changes import EndpointChanges
from domain.online.online_provisioning import OnlineProvisioning
from domain.online.token_issuing import TokenIssuing


@dataclass(frozen=True)
class OnlineActivities:
    provisioning: OnlineProvisioning
    changes: EndpointChanges
    tokens: TokenIssuing

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        provisioning = self.provisioning
        return {
            provisioning.endpoint_kind: provisioning.resume,
            provisioning.deployment_kind: provisioning.resume,
        }
