"""What the stand-in for Azure Resource Manager keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LOCATION: Final = "westeurope"
DOMAIN: Final = "wonderful-sea-12345678.westeurope.azurecontainerapps.io"


class Refused(Exception):
    """An answer in Azure's shape."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}


@dataclass
class Environment:
    """`network` is what its apps are in, and `storages` the folders that they may mount by name."""

    id: str
    network: str = ""
    storages: dict[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ("Consumption", "D8", "E8", "Consumption-GPU-NC8as-T4")
    cores: float = 100.0
    """That its apps may have together."""

    @property
    def key(self) -> str:
        return self.id.casefold()

    def body(self, address: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.id.rpartition("/")[2],
            "type": "Microsoft.App/managedEnvironments",
            "location": LOCATION,
            "properties": {
                "provisioningState": "Succeeded",
                "defaultDomain": DOMAIN,
                "staticIp": address,
                "vnetConfiguration": {"internal": True},
                "workloadProfiles": [
                    {"name": _named(each), "workloadProfileType": each} for each in self.profiles
                ],
            },
        }

    def kind_of(self, profile: str) -> str | None:
        return next((each for each in self.profiles if _named(each) == profile), None)


def _named(kind: str) -> str:
    """Profiles have names of their own, but for consumption."""
    return kind if kind.startswith("Consumption") else f"the-{kind.lower()}"


@dataclass
class AppRecord:
    """One app. `revisions` counts the templates that it has been given: an app of one node has one
    all its life."""

    id: str
    body: Mapping[str, Any]
    environment: Environment
    state: str = "InProgress"
    revisions: int = 1
    error: Refused | None = None

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def group(self) -> str:
        """The ARM id of its resource group."""
        return self.id.partition("/providers/")[0].casefold()

    @property
    def revision(self) -> str:
        return f"{self.name}--{self.revisions:07d}"

    @property
    def fqdn(self) -> str:
        return f"{self.name}.{DOMAIN}"

    @property
    def properties(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.body["properties"]
        return told

    @property
    def shown(self) -> dict[str, Any]:
        """Without what is only ever written."""
        told = dict(self.properties)
        configuration = dict(told["configuration"])
        configuration["ingress"] = {**configuration["ingress"], "fqdn": self.fqdn}
        secrets = [{"name": each["name"]} for each in configuration.get("secrets") or []]
        configuration["secrets"] = secrets
        told |= {"configuration": configuration, "provisioningState": self.state}
        told |= {"latestRevisionName": self.revision, "latestRevisionFqdn": self.fqdn}
        told["runningStatus"] = "Running" if self.state == "Succeeded" else "Progressing"
        shown = {**self.body, "id": self.id, "name": self.name}
        return {**shown, "type": "Microsoft.App/containerApps", "properties": told}


@dataclass
class Operation:
    id: str
    app: AppRecord
    is_delete: bool = False
    status: str = "InProgress"

    @property
    def body(self) -> dict[str, Any]:
        told: dict[str, Any] = {"id": self.id, "name": self.id.rpartition("/")[2]}
        told["status"] = self.status
        if self.status == "Failed" and self.app.error is not None:
            told |= self.app.error.body
        return told


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of a `method` whose path has `part` in it:
    `status` is answered instead; or, `lost`, it is done and the connection cut."""

    method: str
    part: str
    times: int = 1
    status: int = 0
    code: str = "Planned"
    message: str = "it is planned to fail"
    retry_after: int | None = None
    lost: bool = False
