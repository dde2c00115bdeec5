"""`python -m tests.infra.cloud.costs.idle_costs`: what an installation costs in a month in which
nothing is deployed and nobody asks for anything, by its parts, as docs/costs.md has it.

Executions are counted: by the schedules of the timers that a host in Azure has, with the schedules
that infra/bicep gives it, and by the messages that come of them in an hour.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import azure.functions as func

from domain.ground.messages import ARRIVALS
from domain.schedules.cron import Cron
from handlers import blueprints
from infra.embedded.host.functions import index
from tests.infra.bicep.bicep_reader import Text, statements
from tests.kit.composed import composed
from tests.kit.pumping_host import QUEUES, PumpingHost
from tests.kit.stages.provisioning_stage import ProvisioningStage, opened

ROOT = Path(__file__).parents[4]
MOST = 25.0
"""US dollars a month."""

HOURS = 730
STEP = timedelta(seconds=10)
SECONDS_BILLED = 2.0
"""For an execution: the least is one, and a start takes up to as much again."""
MEMORY_GB = 2.0
GB_SECOND = 0.000026
EXECUTION = 0.40e-6
REQUEST_UNIT = 0.25e-6
METRIC_ALERTS, LOG_ALERTS = 5, 2
BLOB_WRITE, BLOB_READ = 0.055e-4, 0.0044e-4


@dataclass(frozen=True)
class Part:
    """`types` of resources that it is the price of."""

    name: str
    dollars: float
    why: str
    types: tuple[str, ...]

    @property
    def row(self) -> str:
        return f"| {self.name} | {self.dollars:.2f} | {self.why} |"


FREE = (
    "Microsoft.App/containerApps",  # of gateways, which scoring_costs has
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Insights/workbooks",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkSecurityGroups/securityRules",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.OperationalInsights/workspaces/savedSearches",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.ServiceBus/namespaces/networkRuleSets",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Web/serverfarms",
)
"""Kinds of resources that cost nothing by themselves."""


def parts(executions: int) -> Sequence[Part]:
    """For so many an hour."""
    monthly = executions * HOURS
    gigabyte_seconds = monthly * SECONDS_BILLED * MEMORY_GB
    functions = gigabyte_seconds * GB_SECOND + monthly * EXECUTION
    # A look at what is due, at the scale watch and at what is awake with each sweep.
    units = monthly * 14
    return (
        Part(
            "Functions",
            functions,
            f"{executions} executions an hour, {SECONDS_BILLED:g} s of {MEMORY_GB:g} GB each",
            ("Microsoft.Web/sites", "Microsoft.Web/sites/config"),
        ),
        Part(
            "Service Bus",
            10.0,
            "the base charge of Standard",
            ("Microsoft.ServiceBus/namespaces", "Microsoft.ServiceBus/namespaces/queues"),
        ),
        Part(
            "Cosmos DB",
            units * REQUEST_UNIT + 0.25,
            f"{units / 1e6:.1f} million request units, and 1 GB at least",
            (
                "Microsoft.DocumentDB/databaseAccounts",
                "Microsoft.DocumentDB/databaseAccounts/sqlDatabases",
                "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
            ),
        ),
        Part(
            "Storage",
            monthly * 4 * (BLOB_WRITE + BLOB_READ) + 0.05,
            "the package, and the locks and notes of timers: four writes and reads an execution",
            (
                "Microsoft.Storage/storageAccounts",
                "Microsoft.Storage/storageAccounts/blobServices",
                "Microsoft.Storage/storageAccounts/blobServices/containers",
            ),
        ),
        Part(
            "Logs",
            monthly * 7e-6 * 2.30,
            "7 KB an execution, what the services say of themselves with it",
            ("Microsoft.OperationalInsights/workspaces", "Microsoft.Insights/components"),
        ),
        Part(
            "Key Vault",
            0.05,
            "a read with each start",
            ("Microsoft.KeyVault/vaults",),
        ),
        Part(
            "Event Grid",
            0.0,
            "nothing lands",
            (
                "Microsoft.EventGrid/systemTopics",
                "Microsoft.EventGrid/systemTopics/eventSubscriptions",
            ),
        ),
        Part(
            "Alerts",
            METRIC_ALERTS * 0.10 + LOG_ALERTS * 0.50,
            f"{METRIC_ALERTS} of a metric, {LOG_ALERTS} that ask the log four times an hour",
            ("Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules"),
        ),
        Part(
            "Registry",
            5.0,
            "Basic, where models run in Container Apps",
            ("Microsoft.ContainerRegistry/registries",),
        ),
        Part(
            "Environment and network",
            0.0,
            "Container Apps by consumption; a virtual network without private endpoints",
            ("Microsoft.App/managedEnvironments", "Microsoft.Network/virtualNetworks"),
        ),
    )


ENDPOINT, ZONE = 7.30, 0.50
_GROUPS = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"


def private_parts() -> Sequence[Part]:
    """What `privateNetwork` adds, by the endpoints and zones of infra/bicep: of stores, and one of
    each for the app's own door."""
    text = (ROOT / "infra" / "bicep" / "main.bicep").read_text()
    stores, _, door = text.partition("module privateDoor ")
    endpoints, zones = stores.count("        group: '"), _zones(stores)
    assert (door.count("        group: '"), _zones(door)) == (1, 1)
    return (
        Part("Service Bus", 667.0, "Premium, one messaging unit ($677), instead of Standard", ()),
        Part("Registry", 45.0, "Premium ($50) instead of Basic", ()),
        Part(
            "Private endpoints",
            endpoints * ENDPOINT,
            f"{endpoints}, ${ENDPOINT:.2f} each, and $0.01 for a GB; one more with `all`",
            ("Microsoft.Network/privateEndpoints", _GROUPS),
        ),
        Part(
            "Zones",
            zones * ZONE,
            f"{zones}, ${ZONE:.2f} each; one more with `all`",
            ("Microsoft.Network/privateDnsZones",),
        ),
    )


def _zones(text: str) -> int:
    return len(set(re.findall(r"        zone: (\w+Zone)\b", text)))


async def executions_an_hour(folder: Path) -> tuple[Mapping[str, int], int]:
    """Of each timer, and of all that messages trigger."""
    async with opened(folder) as stage:
        told = {name: default(parameter) for name, parameter in _SCHEDULES.items()}
        application = composed(stage.adapters, base_url=stage.base_url, **told)
        triggers = replace(application.triggers, by_clock=False, inbox_by_event_grid=True)
        in_azure = replace(application, triggers=triggers)
        app = func.FunctionApp()
        for blueprint in blueprints(in_azure):
            app.register_functions(blueprint)
        timers = [f for f in index(app, {}) if f.trigger_type == "timerTrigger"]
        schedules = {f.name: Cron(str(f.trigger["schedule"])) for f in timers}
        counts = {name: _times(cron, stage.clock.now()) for name, cron in schedules.items()}
        stage.live(in_azure)
        return counts, await _messages(stage)


_SCHEDULES = {"sweep_schedule": "sweepSchedule", "restore_schedule": "restoreSchedule"}


def _times(cron: Cron, begin: datetime) -> int:
    at, count, end = begin, 0, begin + timedelta(hours=1)
    while (at := cron.next_after(at)) <= end:
        count += 1
    return count


async def _messages(stage: ProvisioningStage) -> int:
    """How many are delivered in the hour that the timers come by."""
    host: PumpingHost = stage.host
    delivered = 0
    for _ in range(timedelta(hours=1) // STEP):
        stage.clock.move(STEP.total_seconds())
        await host.tick()
        while now := await host.turn([*QUEUES, ARRIVALS]):
            delivered += now
    if host.failures:
        raise host.failures[0]
    return delivered


def default(parameter: str) -> str:
    """Of infra/bicep/main.bicep."""
    text = (ROOT / "infra" / "bicep" / "main.bicep").read_text()
    [value] = [v for kind, name, v in statements(text) if (kind, name) == ("param", parameter)]
    assert isinstance(value, Text)
    assert value.literal is not None
    return value.literal


def table(found: Sequence[Part]) -> list[str]:
    total = sum(part.dollars for part in found)
    return [*(part.row for part in found), f"| **together** | **{total:.2f}** | |"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        timers, messages = asyncio.run(executions_an_hour(Path(folder)))
    found = [*table(parts(sum(timers.values()) + messages)), "", *table(private_parts())]
    sys.stdout.write("\n".join(found) + "\n")


if __name__ == "__main__":
    main()
