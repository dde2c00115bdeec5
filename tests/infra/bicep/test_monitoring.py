"""What infra/bicep watches: alerts, logs, queries, the workbook. They ask for what is told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from domain.jobs.finishing import job_telling
from domain.ports import AuditRecord
from domain.ports.records.traffic_records import COLUMNS
from infra.telemetry import metric_names, request_telling
from tests.infra.bicep.bicep_reader import (
    Expression,
    Items,
    Properties,
    Resource,
    Text,
    resources,
)

ROOT = Path(__file__).parents[3]
BICEP = ROOT / "infra" / "bicep"
QUERIES = BICEP / "queries"
SILENT = {
    "Microsoft.App/containerApps",  # its environment's are
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Web/serverfarms",
}
"""Kinds that have no log of their own."""


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [
        written(each.body)
        for file in sorted(BICEP.rglob("*.bicep"))
        for each in resources(file.read_text())
        if kind_of(each) == kind
    ]


def kind_of(resource: Resource) -> str:
    return resource.type.partition("@")[0]


def written(node: Any) -> Any:
    """As plain values; an expression as it is written."""
    if isinstance(node, Properties):
        return {name: written(each) for name, each in node.by_name.items()}
    if isinstance(node, Items):
        return [written(each) for each in node.items]
    if isinstance(node, Text):
        return "".join(node.parts)
    return node.written if isinstance(node, Expression) else node


def test_every_resource_that_has_a_log_sends_it_to_the_workspace() -> None:
    logged, there = set(), set()
    for file in sorted(BICEP.rglob("*.bicep")):
        by_symbol = {each.symbol: each for each in resources(file.read_text())}
        for each in by_symbol.values():
            kind = kind_of(each)
            if kind == "Microsoft.Insights/diagnosticSettings":
                told = written(each.body)
                assert told["properties"]["workspaceId"] == "logWorkspaceId"
                assert told["properties"]["logs"]
                logged.add(kind_of(by_symbol[told["scope"]]))
            elif not each.is_existing and kind.count("/") == 1:
                there.add(kind)
    there -= SILENT | {kind for kind in there if kind.startswith("Microsoft.Insights/")}
    # A storage account's logs are its services'.
    there.remove("Microsoft.Storage/storageAccounts")
    logged.remove("Microsoft.Storage/storageAccounts/blobServices")
    assert logged == there


METRIC_ALERTS = {
    "dead-letters": ("Microsoft.ServiceBus/namespaces", "DeadletteredMessages", 0),
    "expiring-secrets": ("Microsoft.ServiceBus/namespaces", "ActiveMessages", 0),
    "slow-requests": (metric_names.ENDPOINTS, metric_names.LATENCY, "latencyMilliseconds"),
    "throttled-documents": ("Microsoft.DocumentDB/databaseAccounts", "TotalRequests", 100),
    "undelivered-arrivals": ("Microsoft.EventGrid/systemTopics", "DeadLetteredCount", 0),
}
LOG_ALERTS = {
    "failed-jobs": f'Name == "{job_telling.EVENT}"',
    "failing-requests": f'Name == "{metric_names.REQUESTS}"',
}


def test_what_nobody_may_miss_has_an_alert_that_tells_people() -> None:
    watched = {}
    for told in of_kind("Microsoft.Insights/metricAlerts"):
        [criterion] = told["properties"]["criteria"]["allOf"]
        measured = (criterion["metricNamespace"], criterion["metricName"])
        watched[told["name"]] = (*measured, criterion["threshold"])
        assert told["properties"]["actions"] == [{"actionGroupId": "people.id"}]
        assert told["properties"]["enabled"] is True
    assert watched == METRIC_ALERTS
    asked = {}
    for told in of_kind("Microsoft.Insights/scheduledQueryRules"):
        [criterion] = told["properties"]["criteria"]["allOf"]
        asked[told["name"]] = criterion["query"]
        assert told["properties"]["actions"] == {"actionGroups": ["people.id"]}
        assert told["properties"]["enabled"] is True
    assert set(asked) == set(LOG_ALERTS)
    for name, part in LOG_ALERTS.items():
        assert part in asked[name]


def test_each_alert_and_each_query_is_explained() -> None:
    text = (ROOT / "docs" / "azure.md").read_text()
    for name in [*METRIC_ALERTS, *LOG_ALERTS]:
        assert f"`{name}`" in text
    for name in ("MlEndpointsTraffic", "MlEndpointsAudit", "MlEndpointsJobs"):
        assert name in text


def test_the_query_of_traffic_has_the_columns_that_requests_are_told_with() -> None:
    query = (QUERIES / "traffic.kql").read_text()
    assert f'logger_name == "{request_telling.LOGGER}"' in query
    assert set(re.findall(r"Properties[.](\w+)\)", query)) == set(COLUMNS) - {"TimeGenerated"}


def test_the_query_of_acts_has_fields_of_audit_records() -> None:
    query = (QUERIES / "audit.kql").read_text()
    fields = {field.alias or name for name, field in AuditRecord.model_fields.items()}
    asked = set(re.findall(r'Properties\["audit[.](\w+)"\]', query))
    assert asked <= fields
    assert {"caller", "action", "resource", "status"} <= asked


def test_the_query_of_jobs_has_the_fields_that_they_are_told_with() -> None:
    query = (QUERIES / "jobs.kql").read_text()
    assert f'Name == "{job_telling.EVENT}"' in query
    asked = set(re.findall(r'Properties\["job[.](\w+)"\]', query))
    assert asked == set(job_telling.FIELDS)


WORKBOOK = json.loads((QUERIES / "workbook.json").read_text())
ASKED = {
    item["name"]: item["content"]["query"]
    for item in WORKBOOK["items"]
    if "query" in item["content"]
}


def test_the_workbook_shows_what_is_to_be_seen() -> None:
    assert {"sla", "traffic", "latency", "errors", "jobs", "cost"} <= set(ASKED)
    assert WORKBOOK["fallbackResourceIds"] == ["<workspace>"]
    names = [item["name"] for item in WORKBOOK["items"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ASKED)
def test_each_query_of_the_workbook_asks_for_what_there_is(name: str) -> None:
    query = ASKED[name]
    table = query.partition("\n")[0]
    if table == "AppMetrics":
        told = {value for name, value in vars(metric_names).items() if name.isupper()}
        assert set(re.findall(r'where Name == "(\w+)"', query)) <= told
        return
    file = f"{table.removeprefix('MlEndpoints').casefold()}.kql"
    there = set(re.findall(r"(\w+) =(?!=)", (QUERIES / file).read_text()))
    made = set(re.findall(r"(\w+) =(?!=)", query))
    words = set(re.findall(r"\b[A-Z]\w+\b", re.sub(r'"[^"]*"', "", query)))
    assert words - there - made - {table, "TimeGenerated"} == set()
