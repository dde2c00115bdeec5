"""What the installation is, what it runs on and whom it trusts."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings.group import SettingsGroup
from infra.settings.packages import Index
from infra.settings.values import (
    DAYS,
    SECONDS,
    BaseAddress,
    ByteCount,
    EngineAddress,
    Folders,
    Guid,
    HostName,
    HostPort,
    Location,
    Mounts,
    Name,
    Networks,
    ReservedBytes,
    Schedule,
    ScoringDomain,
    Secret,
    Text,
    Texts,
    Unit,
    WebAddress,
    WorkspaceName,
)

Host = Literal["embedded", "functions"]
ComputeKind = Literal["local", "docker", "container_apps", "kubernetes", "none"]


class InstallationSettings(SettingsGroup):
    """Which adapters are composed, and the workspace that they serve."""

    platform: Literal["embedded", "azure"] = Field(alias="ML_ENDPOINTS_PLATFORM")
    """Which adapters keep things: this machine's own or Azure's."""
    host: Host | None = Field(None, alias="ML_ENDPOINTS_HOST")
    """Who drives the functions: the embedded host, which says so itself, or a Functions host.
    None means what the platform's name says."""
    serves: Literal["all", "scoring"] = Field("all", alias="ML_ENDPOINTS_SERVES")
    """What this host does: everything, or scoring requests alone. A gateway (`scoring`) has no
    control plane, takes no message and does nothing by the clock; another host on the same stores
    does (docs/azure.md)."""
    base_url: BaseAddress = Field(alias="ML_ENDPOINTS_BASE_URL")
    """What callers put before every path; it stands in scoring URIs and Location headers."""
    subscription_id: Guid = Field(alias="ML_ENDPOINTS_SUBSCRIPTION_ID")
    """The Azure subscription that every resource's id begins with."""
    resource_group: Name = Field(alias="ML_ENDPOINTS_RESOURCE_GROUP")
    """The resource group in every resource's id."""
    workspace: WorkspaceName = Field(alias="ML_ENDPOINTS_WORKSPACE")
    """The workspace in every resource's id."""
    location: Location = Field(alias="ML_ENDPOINTS_LOCATION")
    """The region that resources say they are in."""

    @property
    def driven_by(self) -> Host:
        """The host, said or not."""
        return self.host or ("embedded" if self.platform == "embedded" else "functions")

    @property
    def workspace_id(self) -> str:
        """The workspace's full ARM id, which every resource's id begins with."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


class IdentitySettings(SettingsGroup):
    """Whose bearer tokens are taken."""

    token_issuer: Text = Field(alias="ML_ENDPOINTS_TOKEN_ISSUER")
    """The `iss` that a bearer token must carry, to the letter. Embedded, none means the base
    URL: the host's own issuer."""
    token_audience: Text = Field(alias="ML_ENDPOINTS_TOKEN_AUDIENCE")
    """The `aud` that a bearer token must carry, and what callers are told to ask for."""
    token_issuer_aliases: Texts = Field((), alias="ML_ENDPOINTS_TOKEN_ISSUER_ALIASES")
    """Further `iss` under which the same issuer signs with the same keys. Entra ID signs tokens of
    version 1 as `https://sts.windows.net/<tenant>/`, those of version 2 as
    `https://login.microsoftonline.com/<tenant>/v2.0`."""
    token_audience_aliases: Texts = Field((), alias="ML_ENDPOINTS_TOKEN_AUDIENCE_ALIASES")
    """Further `aud` of the same application: its client id, which is in Entra ID's tokens of
    version 2, beside its application ID URI."""
    token_jwks_url: WebAddress = Field(alias="ML_ENDPOINTS_TOKEN_JWKS_URL")
    """Where the issuer publishes its keys. Embedded, none means below the issuer."""
    scoring_audience: Text = Field("https://ml.azure.com", alias="ML_ENDPOINTS_SCORING_AUDIENCE")
    """The `aud` of the issuer's tokens that aad_token endpoints take, and the jobs of batch
    endpoints beside the control plane's. Where it is another application's, as Azure ML's is, its
    roles mean nothing here: `PUT clients/<object id>` gives some."""

    studio_client_id: Text | None = Field(None, alias="ML_ENDPOINTS_STUDIO_CLIENT_ID")
    """As which application of the issuer people sign in to the studio (authorization code with
    PKCE), which may send them back to `<base URL>/studio/signed-in`. None: by a client's id and
    secret, or by `mle studio`."""
    studio_client_secret: Secret = Field(None, alias="ML_ENDPOINTS_STUDIO_CLIENT_SECRET")
    """Its secret. None: on Azure's services a token of the managed identity, which the application
    names as a federated credential; elsewhere nothing but PKCE."""
    studio_scope: Text | None = Field(None, alias="ML_ENDPOINTS_STUDIO_SCOPE")
    """What is asked for, between spaces. None: `openid profile <token audience>/.default`, as Entra
    ID has it."""

    @property
    def asked_scope(self) -> str:
        return self.studio_scope or f"openid profile {self.token_audience}/.default"

    @property
    def issuers(self) -> tuple[str, ...]:
        return self.token_issuer, *self.token_issuer_aliases

    @property
    def audiences(self) -> tuple[str, ...]:
        return self.token_audience, *self.token_audience_aliases

    @property
    def data_audiences(self) -> tuple[str, ...]:
        """Of the data plane of batch endpoints: Azure's clients ask for its audience there, and
        whoever has a token of the control plane needs no other."""
        return *self.audiences, self.scoring_audience


class TriggerSettings(SettingsGroup):
    """When the host calls the app by itself, and how often once more."""

    sweep_schedule: Schedule = Field("*/10 * * * * *", alias="ML_ENDPOINTS_SWEEP_SCHEDULE")
    """How often unfinished work is looked for."""
    restore_schedule: Schedule = Field("30 * * * * *", alias="ML_ENDPOINTS_RESTORE_SCHEDULE")
    """How often a host brings its own compute up to what is deployed. Where several hosts
    share the stores, what one of them changed runs on the others after this, and what it made
    answers there after this or with the first request for it."""
    queue_max_delivery: Annotated[int, Field(ge=1, le=2000)] = Field(
        5, alias="ML_ENDPOINTS_QUEUE_MAX_DELIVERY"
    )
    """Deliveries of a message before it is dead-lettered. In Azure this is a property of
    each Service Bus queue, so host.json cannot carry it; set both alike."""
    inbox_source: Literal["event_grid", "polling"] = Field(
        "event_grid", alias="ML_ENDPOINTS_INBOX_SOURCE"
    )
    """How a Functions host hears of blobs in the inbox: by a queue that Event Grid puts their names
    into; or by looking itself, which a storage without Event Grid (Azurite) needs, Flex Consumption
    does not know, and by which the host reads every blob whole. Embedded hosts look themselves."""


class EmbeddedSettings(SettingsGroup):
    """The embedded host, and what it keeps."""

    data_dir: Path = Field(Path(".data"), alias="ML_ENDPOINTS_DATA_DIR")
    """The one folder that everything is kept under."""
    disk_reserve: ReservedBytes = Field(512 * 2**20, alias="ML_ENDPOINTS_DISK_RESERVE")
    """What is kept back of the data folder's disk for what is in hand: while less is free, new
    jobs, deployments and uploads are refused (507). 0 keeps nothing back."""
    stop_grace: Annotated[float, Field(ge=0, le=3600), SECONDS] = Field(
        20, alias="ML_ENDPOINTS_STOP_GRACE"
    )
    """How long requests and messages in hand may go on when the host stops (when a successor
    takes over, the messages)."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="ML_ENDPOINTS_LOG_LEVEL"
    )
    """The least severe lines that are logged."""
    tls_certificate: Path | None = Field(None, alias="ML_ENDPOINTS_TLS_CERTIFICATE")
    """A certificate to show callers from elsewhere, in PEM, its chain below it; none: the one that
    the host's own authority signs, which programs of this machine are shown either way. A renewed
    one is taken up within seconds."""
    tls_key: Path | None = Field(None, alias="ML_ENDPOINTS_TLS_KEY")
    """Its key, in PEM, without a password."""
    log_traffic: bool = Field(False, alias="ML_ENDPOINTS_LOG_TRAFFIC")
    """Whether each scoring request is written to `logs/traffic.jsonl`, and can be looked for
    (docs/metrics.md)."""
    traffic_kept_days: Annotated[float, Field(gt=0, le=3660), DAYS] = Field(
        7, alias="ML_ENDPOINTS_TRAFFIC_KEPT_DAYS"
    )
    """How long scoring requests can be looked for."""
    traffic_max_bytes: ByteCount = Field(512 * 2**20, alias="ML_ENDPOINTS_TRAFFIC_MAX_BYTES")
    """The most disk that they take, some 2 million requests: beyond it the oldest go."""

    @model_validator(mode="after")
    def _whole_pair(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            names = map(self.environment_name, ("tls_certificate", "tls_key"))
            raise ValueError(f"{' and '.join(names)}: one is nothing without the other")
        return self


class DoorSettings(SettingsGroup):
    """How many callers the embedded host takes at once, and how slow they may be."""

    head_time: Annotated[float, Field(gt=0, le=3600), SECONDS] = Field(
        20, alias="ML_ENDPOINTS_HEAD_TIME"
    )
    """How long a caller may take over the TLS handshake, and over the head of a request."""
    body_rate: Annotated[int, Field(ge=0), Unit("bytes a second")] = Field(
        500, alias="ML_ENDPOINTS_BODY_RATE"
    )
    """How fast the body of a request must come, in the mean of any half minute or so (one and a
    half times `ML_ENDPOINTS_HEAD_TIME`). Scoring asks for more of a large one."""
    connections: Annotated[int, Field(ge=16, le=1_000_000)] = Field(
        16_384, alias="ML_ENDPOINTS_CONNECTIONS"
    )
    """Connections that callers may have at once; fewer where the host may not open as many
    files. It raises its own limit as far as the system lets it."""
    strangers: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        2048, alias="ML_ENDPOINTS_STRANGERS"
    )
    """Of these, the connections on which no credential has been good yet. For the next one the
    oldest is cut off that keeps the host waiting; at most half of all connections."""
    strangers_per_address: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1024, alias="ML_ENDPOINTS_STRANGERS_PER_ADDRESS"
    )
    """Of these, those of one address (IPv6: of one network of 64 bits); at most three quarters
    of all strangers. Callers behind one address share it until their first good credential."""


class CloudSettings(SettingsGroup):
    """Azure's services, each by a connection string or by an address and an identity."""

    service_bus_connection: Secret = Field(None, alias="ServiceBusConnection")
    """A connection string; without one, the namespace and an identity."""
    service_bus_namespace: HostName | None = Field(
        None, alias="ServiceBusConnection__fullyQualifiedNamespace"
    )
    """`<name>.servicebus.windows.net`."""
    blob_connection: Secret = Field(None, alias="BlobConnection")
    """A connection string; without one, the service's URL and an identity."""
    blob_service_url: BaseAddress | None = Field(None, alias="BlobConnection__blobServiceUri")
    """`https://<account>.blob.core.windows.net`."""
    cosmos_connection: Secret = Field(None, alias="CosmosConnection")
    """A connection string; without one, the endpoint and an identity."""
    cosmos_endpoint: BaseAddress | None = Field(None, alias="CosmosConnection__accountEndpoint")
    """`https://<account>.documents.azure.com`."""
    cosmos_database: Text = Field("ml-endpoints", alias="ML_ENDPOINTS_COSMOS_DATABASE")
    """The database in that account."""
    cosmos_container: Text = Field("resources", alias="ML_ENDPOINTS_COSMOS_CONTAINER")
    """The one container in that database, for every document."""
    azure_client_id: Text | None = Field(None, alias="AZURE_CLIENT_ID")
    """The user-assigned identity to use; none means the machine's own."""
    cipher_key: Annotated[str | None, Field(min_length=32, repr=False)] = Field(
        None, alias="ML_ENDPOINTS_CIPHER_KEY"
    )
    """What endpoints' keys are sealed with at rest, a random text kept in Key Vault. Several
    between commas: the first seals, every one opens."""


class ComputeSettings(SettingsGroup):
    """Where models run, whatever keeps things and whoever drives the functions."""

    kind: ComputeKind | None = Field(None, alias="ML_ENDPOINTS_COMPUTE")
    """As processes of the machine that the host is on, below its data folder (`local`); as
    containers of a Docker Engine (`docker`); as apps of Azure Container Apps (`container_apps`); as
    pods of a Kubernetes cluster (`kubernetes`); or nowhere: deployments are refused then. None
    means `local` for an embedded host and `none` for a Functions host."""
    engine: EngineAddress = Field(
        "unix:///var/run/docker.sock", alias="ML_ENDPOINTS_CONTAINER_ENGINE"
    )
    """The Docker Engine that containers run on: `unix:///path` or `http://host:port`. Whoever
    reaches an engine may do anything on its machine, so one at an address must be in a network
    of its own."""
    egress: Literal["open", "closed"] = Field("open", alias="ML_ENDPOINTS_CONTAINER_EGRESS")
    """What a model in a container reaches: whatever the engine's machine lets it but for cloud
    metadata (`open`), or nothing but that machine itself (`closed`)."""
    mounts: Mounts = Field((), alias="ML_ENDPOINTS_CONTAINER_MOUNTS")
    """Folders of the engine's machine that every container sees, each `/folder/there:/folder/seen`,
    with `:ro` to be read only. Whoever deploys a model can read them, and write to the others."""
    base_image: Text = Field("python:{python}-slim", alias="ML_ENDPOINTS_CONTAINER_BASE_IMAGE")
    """What environments are built on, pulled if the engine has none of that name. `{python}` in it
    stands for the environment's version. It has that Python as `python3`, and glibc."""
    blobs_address: HostPort | None = Field(None, alias="ML_ENDPOINTS_CONTAINER_BLOBS")
    """`name:port` at which containers reach this host's blobs, by signed URLs and nothing else of
    it; the host listens at that port everywhere. None: the gateway of the containers' own network,
    port 7444, which nobody outside of the machine reaches. To be set where the engine is not on
    this machine, or in a machine of its own on it."""

    image_registry: Index | None = Field(None, alias="ML_ENDPOINTS_IMAGE_REGISTRY", repr=False)
    """A registry where images of environments are made without an engine, once for all hosts, and
    from which engines pull them by their digest. It may carry a user and a password; with
    `http://` it is spoken to without TLS. The base image is in a registry then, too. None: each
    engine builds its own."""
    base_refresh_hours: Annotated[float, Field(ge=0, le=8760), Unit("hours")] = Field(
        24, alias="ML_ENDPOINTS_BASE_REFRESH_HOURS"
    )
    """How often it is looked whether the base images of environments in that registry are others by
    now: those are put on the new ones, their packages as they were. 0: never."""
    unused_image_days: Annotated[float, Field(ge=0, le=36500), DAYS] = Field(
        30, alias="ML_ENDPOINTS_UNUSED_IMAGE_DAYS"
    )
    """With `ML_ENDPOINTS_COMPUTE` `container_apps`: how long an image that this software has made
    stays in that registry after anything has used it. 0: for good."""
    triton_image: Text = Field(
        "nvcr.io/nvidia/tritonserver:24.10-py3", alias="ML_ENDPOINTS_CONTAINER_TRITON_IMAGE"
    )
    """What runs a `triton_model` that comes without an environment: an image with the command
    `tritonserver`. `pytriton`: what PyPI's nvidia-pytriton has, on the base image; small, and for
    models in Python alone."""

    machine_memory: ByteCount | None = Field(None, alias="ML_ENDPOINTS_MACHINE_MEMORY")
    """What models may have together of the memory of the machine that they run on. None: what
    the machine has, or the host's control group leaves, but for an eighth and at most 1 GiB."""
    memory_overcommit: Annotated[float, Field(ge=1, le=1000)] = Field(
        16, alias="ML_ENDPOINTS_MEMORY_OVERCOMMIT"
    )
    """Which part of its instance type's memory an instance counts for: with 16 a sixteenth, with
    1 all of it; or what it has been measured to use, if that is more."""
    core_overcommit: Annotated[float, Field(ge=1, le=1000)] = Field(
        32, alias="ML_ENDPOINTS_CORE_OVERCOMMIT"
    )
    """How often each core of the machine may be promised to models."""

    script_files_max_bytes: ByteCount = Field(
        10 * 2**30, alias="ML_ENDPOINTS_SCRIPT_FILES_MAX_BYTES"
    )
    """What the temporary files of one process of a scoring script may take of the disk, and the
    largest file that it may write anywhere: past it, the process is ended and says so."""
    script_output_max_bytes: ByteCount | None = Field(
        None, alias="ML_ENDPOINTS_SCRIPT_OUTPUT_MAX_BYTES"
    )
    """What the scripts of one batch job may write to its output folder (AZUREML_BI_OUTPUT_PATH) on
    this machine: past it, its workers are ended and say so. None: as much as there is room for."""
    unused_environments: Annotated[int, Field(ge=0, le=1000)] = Field(
        8, alias="ML_ENDPOINTS_UNUSED_ENVIRONMENTS"
    )
    """How many built environments are kept that no deployment or job uses, those used last; and
    twice as many copies of models and code."""
    unused_environment_days: Annotated[float, Field(ge=0, le=36500), DAYS] = Field(
        30, alias="ML_ENDPOINTS_UNUSED_ENVIRONMENT_DAYS"
    )
    """How long these are kept since they were last used."""

    isolation: Literal["auto", "required", "off"] = Field("auto", alias="ML_ENDPOINTS_ISOLATION")
    """Whether scripts are kept apart from the host and from one another: as far as the machine
    can (the log says at start what is held and what is not), in every part or the host does not
    start, or not at all. See SECURITY.md."""
    script_network: Literal["allow", "none"] = Field("allow", alias="ML_ENDPOINTS_SCRIPT_NETWORK")
    """Whether isolated scripts have a network: all but cloud metadata and the control plane, or
    nothing but a loopback of their own. Batch jobs whose blobs are in Azure need one."""
    script_readable: Folders = Field((), alias="ML_ENDPOINTS_SCRIPT_READABLE")
    """Folders of the machine that every isolated script may read, beside the system's own and what
    is lent to it; as far as modes let any user."""
    script_writable: Folders = Field((), alias="ML_ENDPOINTS_SCRIPT_WRITABLE")
    """Folders that every isolated script may write to, as far as modes let any user."""

    def kind_for(self, host: Host) -> ComputeKind:
        """The kind, said or not."""
        return self.kind or ("local" if host == "embedded" else "none")


class WebSettings(SettingsGroup):
    """Addresses outside, named in requests."""

    private_networks: Networks = Field((), alias="ML_ENDPOINTS_PRIVATE_NETWORKS")
    """Networks (`10.1.0.0/16`) that URLs in requests (inputs of jobs, webhooks) may lead to
    although they are not public; to them, and to nowhere else, plain HTTP is spoken too."""


class ReachSettings(SettingsGroup):
    """How callers reach the installation."""

    scoring_domain: ScoringDomain | None = Field(None, alias="ML_ENDPOINTS_SCORING_DOMAIN")
    """A domain (`ml.example`, `ml.example:7443`) of which every name below leads here, by a
    wildcard record: scoring URIs are `https://{endpoint}.ml.example/score` then. The port is the
    base URL's unless said; requests by the path are answered as well."""
    scoring_url: BaseAddress | None = Field(None, alias="ML_ENDPOINTS_SCORING_URL")
    """Where gateways of their own take scoring requests: what scoring URIs of online endpoints
    begin with. None: the base URL, or the scoring domain. This host answers them all the same."""
    trusted_proxies: Networks = Field((), alias="ML_ENDPOINTS_TRUSTED_PROXIES")
    """Networks (`10.1.0.0/16`) of proxies that are believed when they say who calls, by which
    scheme and which host. What anybody else says of that means nothing."""
    proxy_headers: Literal["x-forwarded", "forwarded"] = Field(
        "x-forwarded", alias="ML_ENDPOINTS_PROXY_HEADERS"
    )
    """In which headers those proxies say it: `X-Forwarded-For`, `-Proto` and `-Host`, or
    `Forwarded` (RFC 7239). They must set or extend these; the others are not read."""


class AccessSettings(SettingsGroup):
    """How often callers may try, and how long it is kept what they did."""

    refused_per_minute: Annotated[int, Field(ge=0)] = Field(
        30, alias="ML_ENDPOINTS_REFUSED_PER_MINUTE"
    )
    """Refused credentials that an address may show within a minute for one endpoint, client or
    other thing that they would open, and ten times that for all: after these it is answered 429
    for the rest of the minute, but for credentials that were taken from it before. Each host
    counts for itself; 0: no limit."""
    tokens_per_minute: Annotated[int, Field(ge=0)] = Field(
        120, alias="ML_ENDPOINTS_TOKENS_PER_MINUTE"
    )
    """Tokens that the embedded host's issuer gives to one client at one address within a minute,
    and ten times that to all clients there; 0: no limit."""
    audit_retention_days: Annotated[float, Field(ge=1, le=3650), DAYS] = Field(
        90, alias="ML_ENDPOINTS_AUDIT_RETENTION_DAYS"
    )
    """How long the audit log is kept."""
    audit_max_bytes: ByteCount = Field(2**28, alias="ML_ENDPOINTS_AUDIT_MAX_BYTES")
    """The most disk that the audit log of an embedded host takes: beyond it the oldest records go,
    whatever their age. Cosmos DB keeps all of them for their time."""


class TelemetrySettings(SettingsGroup):
    """Where traces, metrics and logs go."""

    application_insights: Secret = Field(None, alias="APPLICATIONINSIGHTS_CONNECTION_STRING")
    """The connection string of an Application Insights resource to send telemetry to."""
    monitor_resource: Annotated[
        str | None, Field(pattern=r"^/subscriptions/[^/?#]+(/[^/?#]+)+$", max_length=1000)
    ] = Field(None, alias="ML_ENDPOINTS_MONITOR_RESOURCE")
    """The ARM id of that resource: figures over time are then asked of Azure Monitor first, where
    the app has the role Monitoring Reader. None: they are the app's own."""
    log_workspace: Guid | None = Field(None, alias="ML_ENDPOINTS_LOG_WORKSPACE")
    """The id, a GUID, of the Log Analytics workspace of that resource, on which the app has the
    role Log Analytics Reader: traffic logs are read from it under Azure Functions, and what apps in
    Container Apps that are gone have printed. None: neither is to be had."""
    log_query_url: BaseAddress = Field(
        "https://api.loganalytics.azure.com", alias="ML_ENDPOINTS_LOG_QUERY_URL"
    )
    """Log Analytics' query API; in other clouds than Azure's public one, theirs."""
    otlp_endpoint: BaseAddress | None = Field(None, alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """An OpenTelemetry collector (OTLP over HTTP) to send telemetry to, where there is no
    Application Insights."""
    trace_sampling: Annotated[float, Field(ge=0, le=1)] = Field(
        1, alias="ML_ENDPOINTS_TRACE_SAMPLING"
    )
    """The share of new traces that is sent; a caller's own decision is kept."""
    telemetry_logs: bool = Field(True, alias="ML_ENDPOINTS_TELEMETRY_LOGS")
    """Whether logs are sent with the traces. The Functions host in Azure sends them itself; records
    of the audit log, and of requests where `appInsightsEnabled` asks for them, go to Application
    Insights either way."""
