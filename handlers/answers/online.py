"""Online endpoints and their deployments, as they are shown."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from domain.online.deployment_scale import ScaleDecision
from domain.online.online_deployment import OnlineDeploymentProperties
from domain.online.online_endpoint import OnlineEndpointProperties
from domain.online.traffic.rollout import RolloutState
from domain.online.traffic.rollout_judgement import Comparison
from domain.online.traffic.traffic import Percentages
from domain.rollout.shadow_diff import ShadowReport
from domain.values import Value
from handlers.answers.envelope import Maybe, Provisioned, TrackedAnswer


class RolloutStatusAnswer(Value):
    """Steps count from 1."""

    id: str
    before: Percentages
    state: RolloutState
    step: int
    steps: int
    traffic: Percentages
    step_since: datetime
    started_at: datetime
    started_by: str
    ended_at: datetime | None
    reason: str | None
    compared: Annotated[list[Comparison], Field(exclude_if=lambda found: not found)] = []


class OnlineEndpointPropertiesAnswer(OnlineEndpointProperties, Provisioned):
    scoring_uri: str
    swagger_uri: str
    rollout_status: Maybe[RolloutStatusAnswer] = None


class OnlineEndpointAnswer(TrackedAnswer[OnlineEndpointPropertiesAnswer]):
    """An online endpoint."""


class IsolationAnswer(Value):
    """One thing that keeps scripts apart, and whether it does here."""

    part: str
    held: bool
    detail: str


class ScaleStatusAnswer(Value):
    instances: int
    last_decision: ScaleDecision | None


class OnlineDeploymentPropertiesAnswer(OnlineDeploymentProperties, Provisioned):
    isolation: Maybe[list[IsolationAnswer]] = None
    scale_status: Maybe[ScaleStatusAnswer] = None


class DeploymentSku(Value):
    """`capacity` is how many instances it has."""

    name: str
    capacity: int
    tier: Maybe[str] = None
    size: Maybe[str] = None
    family: Maybe[str] = None


class OnlineDeploymentAnswer(TrackedAnswer[OnlineDeploymentPropertiesAnswer]):
    """A deployment of an online endpoint."""

    sku: DeploymentSku  # type: ignore[assignment]  # an answer has always one


class ShadowReportsAnswer(Value):
    value: list[ShadowReport]
