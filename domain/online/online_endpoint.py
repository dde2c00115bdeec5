"""An online endpoint: a stable scoring URI over several deployments of a model."""

from enum import StrEnum
from typing import Any

from pydantic import field_validator

from domain.ground.access import AuthMode
from domain.ground.keys import EndpointKeys, SealedKeys
from domain.ground.resource import StringMap, Text, TrackedResource
from domain.online.endpoint_tokens import TokenKeyRing
from domain.online.traffic.rollout import Rollout, RolloutPlan
from domain.online.traffic.traffic import Percentages
from domain.values import Value

KIND = "onlineEndpoint"
DOCUMENT_ID = "endpoint"


def partition(endpoint: str) -> str:
    """Holds the endpoint, its deployments and their operations, so that one transaction
    can speak of all of them."""
    return f"onlineEndpoints/{endpoint.casefold()}"


class PublicNetworkAccess(StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class OnlineEndpointProperties(Value):
    """What its user wants of an endpoint. `rollout` is not Azure ML's: while one runs,
    `traffic` is its current step's."""

    auth_mode: AuthMode = AuthMode.KEY
    description: Text | None = None
    compute: str | None = None
    public_network_access: PublicNetworkAccess = PublicNetworkAccess.ENABLED
    traffic: Percentages = {}
    mirror_traffic: Percentages = {}
    rollout: RolloutPlan | None = None
    properties: StringMap = {}
    keys: EndpointKeys | None = None

    @field_validator("traffic", "mirror_traffic", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return {} if value is None else value


class OnlineEndpoint(TrackedResource):
    """`route_version` rises whenever something a router must know has changed, here or in
    a deployment. `token_keys` are there in aml_token mode alone. `rollout` is the one under
    way, or the last one; `traffic_before` what a rollback goes back to."""

    properties: OnlineEndpointProperties
    sealed_keys: SealedKeys
    token_keys: TokenKeyRing | None = None
    rollout: Rollout | None = None
    traffic_before: Percentages = {}
    route_version: int = 1

    def traffic_of(self, deployment: str) -> int:
        """Live percentage; a deployment that is not named has 0."""
        return _of(self.properties.traffic, deployment)

    def mirror_traffic_of(self, deployment: str) -> int:
        return _of(self.properties.mirror_traffic, deployment)


def _of(split: Percentages, deployment: str) -> int:
    name = deployment.casefold()
    return next((percent for key, percent in split.items() if key.casefold() == name), 0)
