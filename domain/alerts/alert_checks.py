"""What of a rule cannot be, and which figures it is about."""

from dataclasses import dataclass
from typing import Any

from domain.alerts.metric_alert import (
    FREQUENCIES,
    WINDOWS,
    Choice,
    Criterion,
    MetricAlertProperties,
)
from domain.errors import Detail, NotFound
from domain.figures.metric_query import Term
from domain.figures.metrics import (
    BATCH_ENDPOINTS,
    CATALOGUES,
    DEPLOYMENTS,
    ENDPOINTS,
    WORKSPACES,
    Metric,
)
from domain.ground.counting.tally import (
    batch_endpoint_subject,
    deployment_subject,
    endpoint_subject,
)
from domain.names import WorkspaceScope
from domain.provisioning.endpoint_documents import EndpointDocuments


@dataclass(frozen=True)
class AlertScope:
    """`path` is below the workspace; `subject` what its figures are kept under."""

    path: str
    namespace: str
    subject: str


class AlertScopes:
    """Which resources may be watched."""

    def __init__(
        self,
        scope: WorkspaceScope,
        online: EndpointDocuments[Any, Any],
        batch: EndpointDocuments[Any, Any],
    ) -> None:
        self._scope = scope
        self._online = online
        self._batch = batch

    def of(self, resource: str) -> AlertScope | None:
        """None for what has no figures here."""
        if resource.rstrip("/").casefold() == self._scope.id.casefold():
            return AlertScope("", WORKSPACES, "")
        place = self._scope.relative(resource) or []
        match [each.casefold() if not number % 2 else each for number, each in enumerate(place)]:
            case ["onlineendpoints", endpoint]:
                path = f"onlineEndpoints/{endpoint}"
                return AlertScope(path, ENDPOINTS, endpoint_subject(endpoint))
            case ["onlineendpoints", endpoint, "deployments", name]:
                path = f"onlineEndpoints/{endpoint}/deployments/{name}"
                return AlertScope(path, DEPLOYMENTS, deployment_subject(endpoint, name))
            case ["batchendpoints", endpoint]:
                path = f"batchEndpoints/{endpoint}"
                return AlertScope(path, BATCH_ENDPOINTS, batch_endpoint_subject(endpoint))
        return None

    async def checked(self, asked: MetricAlertProperties, faults: list[Detail]) -> None:
        """With `faults` of what is not there, has no figures, or has not those asked for."""
        found: list[AlertScope] = []
        for number, resource in enumerate(asked.scopes):
            target = f"properties.scopes[{number}]"
            scope = self.of(resource)
            if scope is None:
                faults.append(Detail("BadRequest", _no_scope(resource, self._scope), target))
            elif (missing := await self._missing(scope)) is not None:
                faults.append(Detail("ResourceNotFound", missing, target))
            else:
                found.append(scope)
        if len({each.namespace for each in found}) > 1:
            told = "The scopes of one rule are of one kind: a rule each for endpoints, deployments."
            faults.append(Detail("BadRequest", told, "properties.scopes"))
        if found:
            check(asked, found[0].namespace, faults)

    async def _missing(self, scope: AlertScope) -> str | None:
        kind, *names = scope.path.split("/")
        documents = self._batch if kind == "batchEndpoints" else self._online
        try:
            if len(names) == 1:
                await documents.endpoint(names[0])
            elif names:
                await documents.deployment(names[0], names[2])
        except NotFound as error:
            return error.message
        return None


def check(asked: MetricAlertProperties, namespace: str, faults: list[Detail]) -> None:
    """With `faults` of what cannot be asked of resources of `namespace`."""
    every, window = asked.evaluation_frequency, asked.window_size
    for value, known, name in (
        (every, FREQUENCIES, "evaluationFrequency"),
        (window, WINDOWS, "windowSize"),
    ):
        if value.total_seconds() not in known:
            there = ", ".join(f"PT{each // 60}M" for each in known)
            faults.append(Detail("BadRequest", f"There are {there}.", f"properties.{name}"))
    if window < every:
        told = "The window is shorter than the time between two looks: what falls between is lost."
        faults.append(Detail("BadRequest", told, "properties.windowSize"))
    if not asked.auto_mitigate:
        told = (
            "A rule here is told of once when it fires and once when that is over; autoMitigate "
            "false is not there."
        )
        faults.append(Detail("Unsupported", told, "properties.autoMitigate"))
    criteria = asked.criteria.all_of
    names = [each.name.casefold() for each in criteria]
    for number, each in enumerate(criteria):
        at = f"properties.criteria.allOf[{number}]"
        _check_criterion(each, namespace, at, faults)
        if names.count(each.name.casefold()) > 1:
            told = f"Two criteria are called '{each.name}'."
            faults.append(Detail("BadRequest", told, f"{at}.name"))
        if len(criteria) > 1 and not each.is_of_one_series:
            told = (
                "With several criteria each is of one series: a dimension has one value to include."
            )
            faults.append(Detail("BadRequest", told, f"{at}.dimensions"))


def _check_criterion(each: Criterion, namespace: str, at: str, faults: list[Detail]) -> None:
    given = each.metric_namespace
    if given is not None and given.casefold() != namespace.casefold():
        told = f"Metrics of what is watched are of '{namespace}'."
        faults.append(Detail("BadRequest", told, f"{at}.metricNamespace"))
    metric = metric_of(each, namespace)
    if metric is None:
        there = ", ".join(known.name for known in CATALOGUES[namespace].values())
        told = f"There is no metric '{each.metric_name}' of this; there are {there}."
        faults.append(Detail("BadRequest", told, f"{at}.metricName"))
        return
    if each.time_aggregation not in metric.aggregations:
        told = f"{metric.name} has {', '.join(metric.aggregations)}."
        faults.append(Detail("BadRequest", told, f"{at}.timeAggregation"))
    known = {name.casefold() for name in metric.asked_by}
    seen: set[str] = set()
    for number, dimension in enumerate(each.dimensions):
        target = f"{at}.dimensions[{number}]"
        if dimension.name.casefold() not in known:
            told = f"{metric.name} has these: {', '.join(metric.asked_by) or 'none'}."
            faults.append(Detail("BadRequest", told, f"{target}.name"))
        elif dimension.name.casefold() in seen:
            told = f"'{dimension.name}' comes twice."
            faults.append(Detail("BadRequest", told, f"{target}.name"))
        if dimension.operator is Choice.EXCLUDE and "*" in dimension.values:
            told = "That excludes everything."
            faults.append(Detail("BadRequest", told, f"{target}.values"))
        seen.add(dimension.name.casefold())


def metric_of(criterion: Criterion, namespace: str) -> Metric | None:
    return CATALOGUES[namespace].get(criterion.metric_name.casefold())


def terms_of(criterion: Criterion, metric: Metric) -> tuple[Term, ...]:
    spelled = {name.casefold(): name for name in metric.asked_by}
    return tuple(
        Term(
            spelled[each.name.casefold()],
            () if "*" in each.values else each.values,
            negated=each.operator is Choice.EXCLUDE,
        )
        for each in criterion.dimensions
        if each.name.casefold() in spelled
    )


def _no_scope(resource: str, scope: WorkspaceScope) -> str:
    return (
        f"'{resource[:200]}' has no figures here: a scope is {scope.id}, or of it "
        "/onlineEndpoints/NAME, /onlineEndpoints/NAME/deployments/NAME or /batchEndpoints/NAME."
    )
