"""What is done with batch endpoints, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.batch.batch_deployment import BatchDeployment, BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.batch.batch_keys import BatchKeys
from domain.batch.batch_workloads import BatchWorkloads
from domain.computes.compute_targets import ComputeTargets
from domain.ground.driving.sweeping import Resume
from domain.ports import Capabilities
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.provisioning import Provisioning
from domain.provisioning.reconciler import Reconciler
from domain.provisioning.restorer import Restorer
from domain.provisioning.wish_checking import WishChecking


@dataclass(frozen=True)
class BatchActivities:
    capabilities: Capabilities
    documents: EndpointDocuments[BatchEndpoint, BatchDeployment]
    revisions: DeploymentRevisions[BatchDeployment]
    provisioning: Provisioning[
        BatchEndpoint, BatchEndpointProperties, BatchDeployment, BatchDeploymentProperties
    ]
    checking: WishChecking[
        BatchEndpoint, BatchEndpointProperties, BatchDeployment, BatchDeploymentProperties
    ]
    reconciler: Reconciler[BatchEndpoint, BatchDeployment]
    restorer: Restorer[BatchEndpoint, BatchDeployment]
    workloads: BatchWorkloads
    computes: ComputeTargets
    keys: BatchKeys

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return self.reconciler.owners
