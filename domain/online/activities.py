"""What is done with online endpoints, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.ground.driving.sweeping import Resume
from domain.online.deployment_scales import DeploymentScales
from domain.online.endpoint_changes import EndpointChanges
from domain.online.key_issuing import KeyIssuing
from domain.online.online_deployment import OnlineDeployment, OnlineDeploymentProperties
from domain.online.online_deployments import OnlineDeployments
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.online.scale_following import ScaleFollowing
from domain.online.token_issuing import TokenIssuing
from domain.ports import Capabilities
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.endpoint_documents import EndpointDocuments
from domain.provisioning.provisioning import Provisioning
from domain.provisioning.reconciler import Reconciler
from domain.provisioning.restorer import Restorer
from domain.provisioning.wish_checking import WishChecking


@dataclass(frozen=True)
class OnlineActivities:
    capabilities: Capabilities
    documents: EndpointDocuments[OnlineEndpoint, OnlineDeployment]
    provisioning: Provisioning[
        OnlineEndpoint, OnlineEndpointProperties, OnlineDeployment, OnlineDeploymentProperties
    ]
    checking: WishChecking[
        OnlineEndpoint, OnlineEndpointProperties, OnlineDeployment, OnlineDeploymentProperties
    ]
    reconciler: Reconciler[OnlineEndpoint, OnlineDeployment]
    restorer: Restorer[OnlineEndpoint, OnlineDeployment]
    deployments: OnlineDeployments
    scales: DeploymentScales
    revisions: DeploymentRevisions[OnlineDeployment]
    changes: EndpointChanges
    keys: KeyIssuing
    tokens: TokenIssuing
    following: ScaleFollowing

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return self.reconciler.owners
