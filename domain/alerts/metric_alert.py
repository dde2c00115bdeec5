"""A metric alert: a rule over figures, in Azure Monitor's words, and what of it has fired."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.figures.metrics import Aggregation
from domain.ground.resource import Text, TrackedResource
from domain.values import Value

KIND = "metricAlert"
PARTITION = "metricAlerts"
MOST = 100
"""Rules; each is looked at every few minutes."""
MOST_SCOPES = 20
MOST_FIRED = 100
"""Of one rule, at once."""
CHECKS_TO_RESOLVE = 3
"""In a row, without the condition being met: as in Azure, so that it does not flap."""

_MINUTE = 60
FREQUENCIES = (_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, 60 * _MINUTE)
WINDOWS = (*FREQUENCIES, 6 * 3600, 12 * 3600, 24 * 3600)
"""Azure's, in seconds."""

Name = Annotated[str, Field(min_length=1, max_length=128)]


def _any_case(values: type[StrEnum]) -> BeforeValidator:
    known = {each.value.casefold(): each for each in values}
    return BeforeValidator(lambda v: known.get(v.casefold(), v) if isinstance(v, str) else v)


class Operator(StrEnum):
    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"
    EQUALS = "Equals"

    def is_met(self, value: float, threshold: float) -> bool:
        match self:
            case Operator.GREATER_THAN:
                return value > threshold
            case Operator.GREATER_THAN_OR_EQUAL:
                return value >= threshold
            case Operator.LESS_THAN:
                return value < threshold
            case Operator.LESS_THAN_OR_EQUAL:
                return value <= threshold
            case Operator.EQUALS:
                return value == threshold


class Choice(StrEnum):
    INCLUDE = "Include"
    EXCLUDE = "Exclude"


class AlertDimension(Value):
    """Which series are meant; each of them fires by itself. `*` is every one there is."""

    name: Name
    operator: Annotated[Choice, _any_case(Choice)] = Choice.INCLUDE
    values: Annotated[
        tuple[Annotated[str, Field(max_length=256)], ...], Field(min_length=1, max_length=50)
    ]


class Criterion(Value):
    """`time_aggregation` of a metric, over the window, compared with the threshold."""

    criterion_type: Annotated[str, Field(pattern=r"(?i)^StaticThresholdCriterion$")] = (
        "StaticThresholdCriterion"
    )
    name: Name = "Metric1"
    metric_name: Name
    metric_namespace: Name | None = None
    dimensions: Annotated[tuple[AlertDimension, ...], Field(max_length=5)] = ()
    operator: Annotated[Operator, _any_case(Operator)]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    time_aggregation: Annotated[Aggregation, _any_case(Aggregation)]
    skip_metric_validation: bool = False

    @property
    def is_of_one_series(self) -> bool:
        return all(
            each.operator is Choice.INCLUDE and len(each.values) == 1 and each.values != ("*",)
            for each in self.dimensions
        )


class Criteria(Value):
    """All are to be met at once."""

    odata_type: Annotated[
        str,
        Field(
            alias="odata.type",
            pattern=r"^Microsoft\.Azure\.Monitor\.(Single|Multiple)Resource"
            r"(Multiple)?MetricCriteria$",
        ),
    ] = "Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria"
    all_of: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=5)]


class MetricAlertProperties(Value):
    """Azure's fields. Each of `scopes` is watched by itself."""

    description: Text | None = None
    severity: Annotated[int, Field(ge=0, le=4)] = 3
    enabled: bool = True
    scopes: Annotated[
        tuple[Annotated[str, Field(max_length=1024)], ...],
        Field(min_length=1, max_length=MOST_SCOPES),
    ]
    evaluation_frequency: timedelta = timedelta(minutes=1)
    window_size: timedelta = timedelta(minutes=5)
    target_resource_type: Name | None = None
    target_resource_region: Name | None = None
    criteria: Criteria
    auto_mitigate: bool = True


class FiredAlert(Value):
    """What has fired and is not resolved. `resource` is a path below the workspace, '' for the
    workspace; `quiet` counts the looks in a row at which the condition was not met."""

    resource: str
    dimensions: dict[str, str] = {}
    values: dict[str, float] = {}
    fired_at: datetime
    quiet: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        return self.resource, *sorted(self.dimensions.items())


class MetricAlert(TrackedResource):
    properties: MetricAlertProperties
    fired: tuple[FiredAlert, ...] = ()
    looked_at: datetime | None = None
