"""Every setting of the app, read once, at start.

A setting is `ML_ENDPOINTS_<NAME>` in the environment, or under "Values" of
local.settings.json, where the environment wins (as Functions Core Tools has it). A blank
value is the same as none. Nothing else in the app reads the environment. Connections and
telemetry go by the names that the Functions host and the SDKs know, so that each is told
once.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from domain.drops.drop_limits import MOST_FILES
from domain.schedules.cron import Cron

PREFIX = "ML_ENDPOINTS_"

FOREIGN_NAMES = {
    "service_bus_connection": "ServiceBusConnection",
    "service_bus_namespace": "ServiceBusConnection__fullyQualifiedNamespace",
    "blob_connection": "BlobConnection",
    "blob_service_url": "BlobConnection__blobServiceUri",
    "cosmos_connection": "CosmosConnection",
    "cosmos_endpoint": "CosmosConnection__accountEndpoint",
    "azure_client_id": "AZURE_CLIENT_ID",
    "application_insights": "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}
"""Fields whose names in the environment are not ours."""

_NEEDED_IN_AZURE = (
    ("service_bus_connection", "service_bus_namespace"),
    ("blob_connection", "blob_service_url"),
    ("cosmos_connection", "cosmos_endpoint"),
    ("cipher_key",),
)

_UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class SettingsError(Exception):
    """Says everything that is wrong with the settings at once, by environment name."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("the settings are not right:\n" + "\n".join(f"  - {f}" for f in faults))
        self.faults = tuple(faults)


def _bytes(value: Any) -> Any:
    match = re.fullmatch(r"(\d+)\s*(|Ki|Mi|Gi|Ti)B?", value) if isinstance(value, str) else None
    return int(match[1]) * _UNITS[match[2]] if match else value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an http(s) address without a query")
    return value


def _without_slash(value: str) -> str:
    return value.rstrip("/")


def _schedule(value: str) -> str:
    Cron(value)
    return value


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    origins = tuple(origin.strip().rstrip("/") for origin in value.split(",") if origin.strip())
    for origin in origins:
        parts = urlsplit(origin)
        whole = parts.scheme and parts.netloc and not (parts.path or parts.query or parts.fragment)
        if origin != "*" and not whole:
            raise ValueError(f"`{origin}` is no origin; one is like https://app.example")
    return origins


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(network.strip()) for network in value.split(",") if network.strip())


Network = IPv4Network | IPv6Network
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_origins)]
ByteCount = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
BaseAddress = Annotated[str, AfterValidator(_web_address), AfterValidator(_without_slash)]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Secret = Annotated[str | None, Field(min_length=1, repr=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.()-]{0,89}$")]


class Settings(BaseModel):
    """The whole configuration. Field `x_y` is the environment's `ML_ENDPOINTS_X_Y` (but see
    FOREIGN_NAMES); times are in seconds, sizes in bytes (`512Mi`, `4Gi` are understood)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    platform: Literal["embedded", "azure"]
    """Which adapters are composed."""
    host: Literal["embedded", "functions"] | None = None
    """Who drives the functions: the embedded host, which runs models as local processes and
    says so itself, or a Functions host. None means what the platform's name says."""
    data_dir: Path = Path(".data")
    """Embedded: the one folder that everything is kept under."""
    base_url: BaseAddress
    """What callers put before every path; it stands in scoring URIs and Location headers."""
    subscription_id: Annotated[
        str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
    ]
    resource_group: Name
    workspace: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{2,32}$")]
    location: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,40}$")]
    token_issuer: Annotated[str, Field(min_length=1)]
    """The `iss` that a bearer token must carry, to the letter."""
    token_audience: Annotated[str, Field(min_length=1)]
    token_jwks_url: WebAddress
    """Where the issuer publishes its keys."""
    scoring_audience: Annotated[str, Field(min_length=1)] = "https://ml.azure.com"
    """The `aud` of the issuer's tokens that aad_token endpoints take."""
    aml_token_lifetime: Annotated[int, Field(ge=60, le=86400)] = 3600
    """How long a token of an aml_token endpoint is good."""
    aml_token_refresh_after: Annotated[int, Field(ge=1)] = 1800
    """When a client should ask for the next one."""
    aml_token_key_rotation: Annotated[int, Field(ge=60)] = 30 * 86400
    """How long a key signs an endpoint's tokens before the next one does."""
    cors_origins: Origins = ()
    """Origins, between commas, whose pages may call scoring URIs; `*` is every one."""
    mirror_max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Copies of requests that a gateway has under way at once; more are lost, and counted."""
    mirror_max_bytes: ByteCount = 2**20
    """The largest body that is copied to a mirror, and answer that is compared."""
    aggregate_period: Annotated[float, Field(gt=0, le=300)] = 5
    """How often a gateway adds what it counted to the store."""
    route_read_limit: Annotated[float, Field(gt=0, le=230)] = 2
    """How long reading an endpoint's route may take; its requests are answered 503 after that."""
    private_networks: Networks = ()
    """Networks (`10.1.0.0/16`), between commas, that URLs in requests (inputs of jobs,
    webhooks) may lead to although they are not public; to them, and to nowhere else, plain
    HTTP is spoken too."""
    web_file_max_bytes: ByteCount = 4 * 2**30
    """The largest file that a job takes from a web address."""
    web_file_max_time: Annotated[float, Field(gt=0, le=840)] = 600
    """How long one such file may take to come."""
    drop_quiet_period: Seconds = 2
    """A drop folder is sealed once nothing has landed for this long."""
    drop_max_wait: Seconds = 3600
    """A drop folder is sealed after this long even if files keep landing."""
    drop_max_files: Annotated[int, Field(ge=1, le=MOST_FILES)] = MOST_FILES
    """A drop folder is sealed once as many files have landed; more go into the next drop."""
    drop_max_bytes: ByteCount | None = None
    """A drop folder is sealed once as much has landed; none means no limit."""
    schedule_misfire_window: Seconds = 3600
    """How late a schedule's due time may still be met, when nobody was up at it."""
    job_retention_days: Annotated[float, Field(ge=0, le=36500)] = 0
    """Batch jobs that ended longer ago are removed, with their plans and logs but not their
    results; 0 keeps them."""
    sweep_schedule: Annotated[str, AfterValidator(_schedule)] = "*/10 * * * * *"
    """How often unfinished work is looked for (NCRONTAB, six fields)."""
    restore_schedule: Annotated[str, AfterValidator(_schedule)] = "30 * * * * *"
    """How often a host brings its own compute up to what is deployed (NCRONTAB). Where
    several hosts share the stores, what one of them changed runs on the others after this, and
    what it made answers there after this or with the first request for it."""
    scale_idle_time: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 300
    """A deployment with minInstances 0 sleeps once nobody has asked for it for this long."""
    wake_wait: Annotated[float, Field(gt=0, le=230)] = 30
    """How long a request waits for a deployment that sleeps."""
    worker_idle_time: Annotated[float, Field(ge=0, le=7 * 86400)] = 120
    """How long the compute `local` keeps a worker of batch jobs that none of them needs, for
    the next job that runs the same. A named compute has its own idle time."""
    units_ahead: bool | None = None
    """Whether the next unit of each worker is claimed, and its inputs fetched, while one runs.
    Where several hosts share the stores, a job may then run on up to twice as many workers as
    it asked for. None: yes on the embedded platform, where there is one host, else no."""
    head_time: Annotated[float, Field(gt=0, le=3600)] = 20
    """Embedded: how long a caller may take over the head of a request."""
    stop_grace: Annotated[float, Field(ge=0, le=3600)] = 20
    """Embedded: how long requests and messages in hand may go on when the host stops."""
    max_request_bytes: ByteCount = 100 * 2**20
    """The largest scoring or control-plane body; uploads of blobs have no limit."""
    queue_max_delivery: Annotated[int, Field(ge=1, le=2000)] = 5
    """Deliveries of a message before it is dead-lettered. In Azure this is a property of
    each Service Bus queue, so host.json cannot carry it; set both alike."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_traffic: bool = False
    """Embedded: whether each scoring request is written to `logs/traffic.jsonl`."""
    inbox_source: Literal["event_grid", "polling"] = "event_grid"
    """Azure: how the Functions host hears of blobs in the inbox. Flex Consumption knows
    Event Grid only; a storage without Event Grid (Azurite) needs polling."""
    service_bus_connection: Secret = None
    """Azure: a connection string; without one, `service_bus_namespace` and an identity."""
    service_bus_namespace: HostName | None = None
    """Azure: `<name>.servicebus.windows.net`."""
    blob_connection: Secret = None
    """Azure: a connection string; without one, `blob_service_url` and an identity."""
    blob_service_url: BaseAddress | None = None
    """Azure: `https://<account>.blob.core.windows.net`."""
    cosmos_connection: Secret = None
    """Azure: a connection string; without one, `cosmos_endpoint` and an identity."""
    cosmos_endpoint: BaseAddress | None = None
    """Azure: `https://<account>.documents.azure.com`."""
    cosmos_database: Annotated[str, Field(min_length=1)] = "ml-endpoints"
    cosmos_container: Annotated[str, Field(min_length=1)] = "resources"
    azure_client_id: Annotated[str, Field(min_length=1)] | None = None
    """Azure: the user-assigned identity to use; none means the machine's own."""
    cipher_key: Annotated[str | None, Field(min_length=32, repr=False)] = None
    """Azure: what endpoints' keys are sealed with at rest, a random text kept in Key Vault.
    Several between commas: the first seals, every one opens."""
    application_insights: Secret = None
    """The connection string of an Application Insights resource to send telemetry to."""
    otlp_endpoint: BaseAddress | None = None
    """An OpenTelemetry collector (OTLP over HTTP) to send telemetry to, where there is no
    `application_insights`."""
    trace_sampling: Annotated[float, Field(ge=0, le=1)] = 1
    """The share of new traces that is sent; a caller's own decision is kept."""
    telemetry_logs: bool = True
    """Whether logs are sent with the traces. The Functions host in Azure sends them itself."""

    @model_validator(mode="after")
    def _refresh_in_time(self) -> Self:
        if self.aml_token_refresh_after >= self.aml_token_lifetime:
            raise ValueError(
                f"{PREFIX}AML_TOKEN_REFRESH_AFTER: must be less than {PREFIX}AML_TOKEN_LIFETIME"
            )
        return self

    @classmethod
    def read(cls, environment: Mapping[str, str], local_settings: Path | None = None) -> Self:
        """The settings that `environment` over the file `local_settings` (which need not
        exist) amounts to. Raises SettingsError with every fault at once."""
        values = {**_file_values(local_settings), **environment}
        names = {environment_name(field): field for field in cls.model_fields}
        told = {k: v.strip() for k, v in values.items() if v.strip()}
        unknown = [k for k in sorted(told) if k.startswith(PREFIX) and k not in names]
        faults = [_unknown(name, names) for name in unknown]
        given: dict[str, Any] = {names[k]: v for k, v in told.items() if k in names}
        faults.extend(_missing_in_azure(given))
        try:
            settings = cls.model_validate({**_defaults(given), **given})
        except ValidationError as error:
            faults.extend(_fault(dict(fault)) for fault in error.errors())
        if faults:
            raise SettingsError(faults)
        return settings

    @property
    def workspace_id(self) -> str:
        """The workspace's full ARM id, which every resource's id begins with."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


def environment_name(field: str) -> str:
    """The name by which a field of Settings is set."""
    return FOREIGN_NAMES.get(field, PREFIX + field.upper())


def _missing_in_azure(given: Mapping[str, Any]) -> list[str]:
    if given.get("platform") != "azure":
        return []
    return [
        " or ".join(map(environment_name, either)) + ": missing"
        for either in _NEEDED_IN_AZURE
        if not any(field in given for field in either)
    ]


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """What need not be said to an embedded host; to a Functions host each is required."""
    if given.get("platform") != "embedded" and given.get("host") != "embedded":
        return {}
    base_url = str(given.get("base_url", "https://127.0.0.1:7443")).rstrip("/")
    issuer = str(given.get("token_issuer", base_url))
    return {
        "base_url": base_url,
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "local",
        "workspace": "workspace",
        "location": "local",
        "token_issuer": issuer,
        "token_audience": "api://ml-endpoints",
        "token_jwks_url": f"{issuer.rstrip('/')}/oauth2/v2.0/keys",
    }


def _file_values(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8")).get("Values", {})
        wrong = [k for k, v in values.items() if not isinstance(v, str)]
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError([f'{path.name}: not a JSON object with "Values": {error}']) from error
    if wrong:
        raise SettingsError([f"{path.name}: the value of {k} must be a string" for k in wrong])
    return dict(values)


def read_values(environment: Mapping[str, str], local_settings: Path) -> dict[str, str]:
    """Environment over the file's "Values": what the Functions host would hand the app."""
    return {**_file_values(local_settings), **environment}


def _unknown(name: str, known: Mapping[str, str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _fault(error: Mapping[str, Any]) -> str:
    if not error["loc"]:  # of several settings together; it names them itself
        return str(error["msg"]).removeprefix("Value error, ")
    name = environment_name(str(error["loc"][0]))
    if error["type"] == "missing":
        return f"{name}: missing"
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')}"
