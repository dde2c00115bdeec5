"""Container Apps, where models run there."""

from typing import Annotated

from pydantic import Field, StringConstraints

from infra.settings.group import SettingsGroup
from infra.settings.values import BaseAddress, StorageMounts

_ID = r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
EnvironmentId = Annotated[
    str, StringConstraints(pattern=rf"(?i){_ID}Microsoft\.App/managedEnvironments/[^/]+$")
]
IdentityId = Annotated[
    str,
    StringConstraints(
        pattern=rf"(?i){_ID}Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+$"
    ),
]
RegistryId = Annotated[
    str,
    StringConstraints(pattern=rf"(?i){_ID}Microsoft\.ContainerRegistry/registries/[^/]+$"),
]


class ContainerAppsSettings(SettingsGroup):
    """The environment that instances and nodes are apps of, with `ML_ENDPOINTS_COMPUTE`
    `container_apps`. `ML_ENDPOINTS_IMAGE_REGISTRY` is where their images are then."""

    environment: EnvironmentId | None = Field(None, alias="ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT")
    """The ARM id of the managed environment, which is internal to a network that this host is in.
    Apps are made in its resource group."""
    pull_identity: IdentityId | None = Field(
        None, alias="ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY"
    )
    """The ARM id of the user-assigned identity by which apps pull their images; it needs the role
    AcrPull. None: the user and the password of `ML_ENDPOINTS_IMAGE_REGISTRY`, if it has any."""
    registry: RegistryId | None = Field(None, alias="ML_ENDPOINTS_CONTAINER_APPS_REGISTRY")
    """The ARM id of the Azure Container Registry that `ML_ENDPOINTS_IMAGE_REGISTRY` is: it builds
    environments with a Dockerfile (ACR Tasks), which takes this host the role Container Registry
    Tasks Contributor. None: these are refused."""
    mounts: StorageMounts = Field((), alias="ML_ENDPOINTS_CONTAINER_APPS_MOUNTS")
    """Storages of the environment that every app sees, each `storage:/folder/seen`."""
    arm_url: BaseAddress = Field("https://management.azure.com", alias="ML_ENDPOINTS_ARM_URL")
    """Azure Resource Manager; in other clouds than Azure's public one, theirs."""
