"""What is followed over time, by the names, units and dimensions that Azure Monitor has for it; and
ours, for what Azure has none."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    COUNT = "Count"
    PERCENT = "Percent"
    MILLISECONDS = "Milliseconds"
    BYTES_PER_SECOND = "BytesPerSecond"
    COUNT_PER_SECOND = "CountPerSecond"


class Aggregation(StrEnum):
    AVERAGE = "Average"
    COUNT = "Count"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    TOTAL = "Total"


class Form(StrEnum):
    """What the values of a metric are, which says how they add up."""

    COUNTED = "counted"
    """Things that happen. Their average is how many there are in `per` seconds."""
    TIMES = "times"
    """Latencies, with their distribution."""
    LEVEL = "level"
    """Looked at now and then; several series of it have their average together."""
    SHARE = "share"
    """Looked at now and then, as a part of a whole: series come to their sum, and one that is seen
    at half of the LOOKS to half of it."""


@dataclass(frozen=True)
class Metric:
    """`dimensions` are those that series are kept by; `derived` ones say what is of another, by
    its name. With a `quantile` it is one of the distribution of `source`."""

    name: str
    title: str
    description: str
    unit: Unit
    form: Form
    dimensions: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    per: int = 60
    source: str = ""
    quantile: float | None = None
    is_ours: bool = False

    @property
    def kept_as(self) -> str:
        """The metric whose series have its values."""
        return self.source or self.name

    @property
    def asked_by(self) -> tuple[str, ...]:
        return (*self.dimensions, *self.derived)

    @property
    def aggregations(self) -> tuple[Aggregation, ...]:
        """The first is the one that is meant where none is asked for."""
        if self.quantile is not None:
            return (Aggregation.AVERAGE,)
        if self.form is Form.COUNTED:
            return (Aggregation.AVERAGE, Aggregation.TOTAL, Aggregation.COUNT)
        return (Aggregation.AVERAGE, Aggregation.MINIMUM, Aggregation.MAXIMUM, Aggregation.COUNT)


_C, _T, _L, _S = Form.COUNTED, Form.TIMES, Form.LEVEL, Form.SHARE
_QUANTILES = ((50, 0.5), (90, 0.9), (95, 0.95), (99, 0.99))


def _times(
    name: str, title: str, description: str, dimensions: tuple[str, ...] = (), *, ours: bool = False
) -> list[Metric]:
    """The metric itself, and what Azure Monitor has of its distribution."""
    whole = Metric(name, title, description, Unit.MILLISECONDS, _T, dimensions, is_ours=ours)
    return [
        whole,
        *(
            Metric(
                f"{name}_P{percent}",
                f"{title} P{percent}",
                f"{percent} % of: {description[0].lower()}{description[1:]}",
                Unit.MILLISECONDS,
                _T,
                dimensions,
                source=name,
                quantile=share,
                is_ours=ours,
            )
            for percent, share in _QUANTILES
        ),
    ]


_OF_ENDPOINTS = [
    Metric(
        "RequestsPerMinute",
        "Requests Per Minute",
        "Requests that were answered, by what they were answered with.",
        Unit.COUNT,
        _C,
        ("deployment", "statusCode", "modelStatusCode"),
        ("statusCodeClass",),
    ),
    *_times(
        "RequestLatency",
        "Request Latency",
        "From a request's arrival to its answer's end.",
        ("deployment",),
    ),
    Metric(
        "NetworkBytes",
        "Network Bytes",
        "Bytes of requests' and answers' bodies.",
        Unit.BYTES_PER_SECOND,
        _C,
        per=1,
    ),
    Metric(
        "RequestFailures",
        "Request Failures",
        "Requests without a good answer, by why and whose fault it was.",
        Unit.COUNT,
        _C,
        ("deployment", "reason", "fault"),
        is_ours=True,
    ),
    *_times(
        "TimeToFirstByte",
        "Time To First Byte",
        "From a request's arrival to the first byte of its streamed answer.",
        ("deployment",),
        ours=True,
    ),
    *_times(
        "StreamDuration",
        "Stream Duration",
        "From a streamed answer's head to its end.",
        ("deployment",),
        ours=True,
    ),
    Metric(
        "Wakes",
        "Wakes",
        "Times that a request found its deployment asleep and had it woken.",
        Unit.COUNT,
        _C,
        ("deployment",),
        is_ours=True,
    ),
    Metric(
        "MirroredRequests",
        "Mirrored Requests",
        "Copies that the mirror answered, by the deployment whose requests they were.",
        Unit.COUNT,
        _C,
        ("deployment", "mirror"),
        is_ours=True,
    ),
    Metric(
        "LostCopies",
        "Lost Copies",
        "Copies that the mirror was to have and did not get, by why.",
        Unit.COUNT,
        _C,
        ("deployment", "mirror", "reason"),
        is_ours=True,
    ),
]

_OF_INSTANCES = [
    Metric(
        "DeploymentCapacity",
        "Deployment Capacity",
        "Instances of the deployment, by state.",
        Unit.COUNT,
        _S,
        ("instanceId", "State"),
    ),
    Metric(
        "CpuUtilizationPercentage",
        "CPU Utilization Percentage",
        "What an instance used of its cores between two looks.",
        Unit.PERCENT,
        _L,
        ("instanceId",),
    ),
    Metric(
        "CpuMemoryUtilizationPercentage",
        "CPU Memory Utilization Percentage",
        "What an instance uses of its memory.",
        Unit.PERCENT,
        _L,
        ("instanceId",),
    ),
    Metric(
        "RequestUtilizationPercentage",
        "Request Utilization Percentage",
        "What an instance's requests take of those it may have at once.",
        Unit.PERCENT,
        _L,
        ("instanceId",),
        is_ours=True,
    ),
    Metric(
        "RequestsInProgress",
        "Requests In Progress",
        "Requests that instances are at.",
        Unit.COUNT,
        _S,
        ("instanceId",),
        is_ours=True,
    ),
    Metric(
        "RequestsWaiting",
        "Requests Waiting",
        "Requests that wait in instances for their turn.",
        Unit.COUNT,
        _S,
        ("instanceId",),
        is_ours=True,
    ),
]

_OF_DEPLOYMENTS = [
    Metric(
        "RequestsPerMinute",
        "Requests Per Minute",
        "Answers of the deployment's instances, by their status.",
        Unit.COUNT,
        _C,
        ("envoy_response_code",),
    ),
    *_times(
        "RequestLatency",
        "Request Latency",
        "The wait for the head of an instance's answer.",
    ),
    Metric(
        "NonFiniteAnswers",
        "Non-Finite Answers",
        "Answers with null where the model gave NaN or infinity.",
        Unit.COUNT,
        _C,
        is_ours=True,
    ),
    Metric(
        "DataCollectionEventsPerMinute",
        "Data Collection Events Per Minute",
        "Records that the data collector has written, by collection.",
        Unit.COUNT,
        _C,
        ("type",),
    ),
    Metric(
        "DataCollectionErrorsPerMinute",
        "Data Collection Errors Per Minute",
        "Records that the data collector has lost, by collection and why.",
        Unit.COUNT,
        _C,
        ("type", "reason"),
    ),
    *_OF_INSTANCES,
]

_OF_BATCH_ENDPOINTS = [
    Metric(
        "Jobs",
        "Jobs",
        "Jobs that came to a status: Created, Running, Completed, Failed, Canceled.",
        Unit.COUNT,
        _C,
        ("deployment", "status"),
        is_ours=True,
    ),
    Metric(
        "DropsSealed",
        "Drops Sealed",
        "Drops that were complete.",
        Unit.COUNT,
        _C,
        is_ours=True,
    ),
    Metric(
        "DroppedFiles",
        "Dropped Files",
        "Files of the drops that were complete.",
        Unit.COUNT,
        _C,
        is_ours=True,
    ),
]

_OF_WORKSPACE = [
    Metric(
        "ConnectionsActive",
        "Connections Active",
        "Connections of callers to the hosts' doors, which serve every endpoint.",
        Unit.COUNT,
        _S,
        ("host",),
    ),
    Metric(
        "NewConnectionsPerSecond",
        "New Connections Per Second",
        "Connections that callers have made to the hosts' doors.",
        Unit.COUNT_PER_SECOND,
        _C,
        per=1,
    ),
    Metric(
        "SeriesNotKept",
        "Series Not Kept",
        "Additions to series beyond the most that a gateway follows (ML_ENDPOINTS_FIGURES_SERIES).",
        Unit.COUNT,
        _C,
        is_ours=True,
    ),
]

ENDPOINTS: Final = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
DEPLOYMENTS: Final = f"{ENDPOINTS}/deployments"
BATCH_ENDPOINTS: Final = "Microsoft.MachineLearningServices/workspaces/batchEndpoints"
WORKSPACES: Final = "Microsoft.MachineLearningServices/workspaces"

Catalogue = dict[str, Metric]
"""By the metric's name in lower case, in the order that they are shown in."""

CATALOGUES: Final[dict[str, Catalogue]] = {
    namespace: {each.name.casefold(): each for each in metrics}
    for namespace, metrics in (
        (ENDPOINTS, _OF_ENDPOINTS),
        (DEPLOYMENTS, _OF_DEPLOYMENTS),
        (BATCH_ENDPOINTS, _OF_BATCH_ENDPOINTS),
        (WORKSPACES, _OF_WORKSPACE),
    )
}
"""By Azure Monitor's namespace."""

NOT_KEPT: Final = "SeriesNotKept"
LOOKS: Final = "Looks"
"""How often a thing was looked at: what shares are shares of. No metric of its own."""
