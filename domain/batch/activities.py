"""What is done with batch endpoints, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.batch.batch_provisioning import BatchProvisioning
from domain.batch.compute_target import ComputeTargets
from domain.ground.sweeping import Resume


@dataclass(frozen=True)
class BatchActivities:
    provisioning: BatchProvisioning
    computes: ComputeTargets

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        provisioning = self.provisioning
        return {
            provisioning.endpoint_kind: provisioning.resume,
            provisioning.deployment_kind: provisioning.resume,
        }
