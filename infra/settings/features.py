"""What endpoints, jobs, drops and schedules keep to."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.drops.drop_limits import MOST_FILES
from infra.settings.group import SettingsGroup
from infra.settings.values import DAYS, SECONDS, ByteCount, Origins, Seconds


class TokenSettings(SettingsGroup):
    """Tokens of aml_token endpoints."""

    lifetime: Annotated[int, Field(ge=60, le=86400), SECONDS] = Field(
        3600, alias="ML_ENDPOINTS_AML_TOKEN_LIFETIME"
    )
    """How long a token is good."""
    refresh_after: Annotated[int, Field(ge=1), SECONDS] = Field(
        1800, alias="ML_ENDPOINTS_AML_TOKEN_REFRESH_AFTER"
    )
    """When a client should ask for the next one."""
    key_rotation: Annotated[int, Field(ge=60), SECONDS] = Field(
        30 * 86400, alias="ML_ENDPOINTS_AML_TOKEN_KEY_ROTATION"
    )
    """How long a key signs an endpoint's tokens before the next one does."""

    @model_validator(mode="after")
    def _refresh_in_time(self) -> Self:
        if self.refresh_after >= self.lifetime:
            after, lifetime = map(self.environment_name, ("refresh_after", "lifetime"))
            raise ValueError(f"{after}: must be less than {lifetime}")
        return self


class ScoringSettings(SettingsGroup):
    """What a gateway does with scoring requests."""

    max_request_bytes: ByteCount = Field(100 * 2**20, alias="ML_ENDPOINTS_MAX_REQUEST_BYTES")
    """The largest scoring or control-plane body; uploads of blobs have no limit."""
    route_read_limit: Annotated[float, Field(gt=0, le=230), SECONDS] = Field(
        2, alias="ML_ENDPOINTS_ROUTE_READ_LIMIT"
    )
    """How long reading an endpoint's route may take; its requests are answered 503 after that."""
    cors_origins: Origins = Field((), alias="ML_ENDPOINTS_CORS_ORIGINS")
    """Origins whose pages may call scoring URIs; `*` is every one."""
    mirror_max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = Field(
        32, alias="ML_ENDPOINTS_MIRROR_MAX_IN_FLIGHT"
    )
    """Copies of requests that a gateway has under way at once; more are lost, and counted."""
    mirror_max_bytes: ByteCount = Field(2**20, alias="ML_ENDPOINTS_MIRROR_MAX_BYTES")
    """The largest body that is copied to a mirror, and answer that is compared."""
    aggregate_period: Annotated[float, Field(gt=0, le=300), SECONDS] = Field(
        5, alias="ML_ENDPOINTS_AGGREGATE_PERIOD"
    )
    """How often a gateway adds what it counted to the store."""


class CollectingSettings(SettingsGroup):
    """Data collectors of online deployments (docs/data-collector.md)."""

    period: Annotated[float, Field(gt=0, le=300), SECONDS] = Field(
        10, alias="ML_ENDPOINTS_COLLECT_PERIOD"
    )
    """How long records stay in a gateway's memory before they are written, together."""
    max_memory: ByteCount = Field(64 * 2**20, alias="ML_ENDPOINTS_COLLECT_MAX_MEMORY")
    """What records that are not written yet take of a gateway's memory; more are lost, and
    counted."""
    max_bytes: ByteCount = Field(8 * 2**20, alias="ML_ENDPOINTS_COLLECT_MAX_BYTES")
    """The largest request or answer that is kept; larger ones are counted as lost."""


class FigureSettings(SettingsGroup):
    """Figures over time (docs/metrics.md)."""

    seconds_kept: Annotated[float, Field(ge=60, le=86400), SECONDS] = Field(
        900, alias="ML_ENDPOINTS_FIGURES_SECONDS_KEPT"
    )
    """How long an embedded host keeps figures by the second."""
    minutes_kept_days: Annotated[float, Field(ge=0.1, le=366), DAYS] = Field(
        7, alias="ML_ENDPOINTS_FIGURES_MINUTES_KEPT_DAYS"
    )
    """How long figures by the minute are kept."""
    hours_kept_days: Annotated[float, Field(ge=1, le=3660), DAYS] = Field(
        365, alias="ML_ENDPOINTS_FIGURES_HOURS_KEPT_DAYS"
    )
    """How long figures by the hour are kept."""
    series: Annotated[int, Field(ge=100, le=100_000)] = Field(
        2000, alias="ML_ENDPOINTS_FIGURES_SERIES"
    )
    """How many series a gateway follows at once (within an hour): an endpoint with one deployment
    in use has some ten. More are counted as SeriesNotKept, and not followed."""
    max_bytes: ByteCount = Field(2**30, alias="ML_ENDPOINTS_FIGURES_MAX_BYTES")
    """The most disk that figures over time of an embedded host take: beyond it they are kept for
    half as long, and half of that."""


class LedgerSettings(SettingsGroup):
    """What ran, and what it costs (docs/cost-ledger.md)."""

    period: Annotated[float, Field(ge=1, le=300), SECONDS] = Field(
        5, alias="ML_ENDPOINTS_LEDGER_PERIOD"
    )
    """How often the time that instances and workers run is counted into the ledger, while any do:
    of those that end with a host that is killed, what came after the last count is lost."""
    stored_period: Annotated[float, Field(ge=60, le=86400), SECONDS] = Field(
        21600, alias="ML_ENDPOINTS_LEDGER_STORED_PERIOD"
    )
    """How often it is counted what is stored, and by an hourly timer: of what changes within a day,
    the last count stands for it."""
    kept_days: Annotated[float, Field(ge=31, le=3660), DAYS] = Field(
        400, alias="ML_ENDPOINTS_LEDGER_KEPT_DAYS"
    )
    """How long the ledger is kept."""


class ScalingSettings(SettingsGroup):
    """Deployments that sleep."""

    idle_time: Annotated[float, Field(ge=1, allow_inf_nan=False), SECONDS] = Field(
        300, alias="ML_ENDPOINTS_SCALE_IDLE_TIME"
    )
    """A deployment with minInstances 0 sleeps once nobody has asked for it for this long."""
    wake_wait: Annotated[float, Field(gt=0, le=230), SECONDS] = Field(
        30, alias="ML_ENDPOINTS_WAKE_WAIT"
    )
    """How long a request waits for a deployment that sleeps. Where models run in Container Apps,
    whose starts take longer: 120 unless said."""
    look_interval: Annotated[float, Field(ge=1, le=300), SECONDS] = Field(
        1, alias="ML_ENDPOINTS_SCALE_LOOK_INTERVAL"
    )
    """Under a Functions host: the least time between two looks at autoscaled deployments that are
    awake, whatever their pollingInterval. Each look is an execution that is paid for."""


class BatchSettings(SettingsGroup):
    """Batch jobs, and the workers they run on."""

    worker_idle_time: Annotated[float, Field(ge=0, le=7 * 86400), SECONDS] = Field(
        120, alias="ML_ENDPOINTS_WORKER_IDLE_TIME"
    )
    """How long the compute `local` keeps a worker of batch jobs that none of them needs, for
    the next job that runs the same. A named compute has its own idle time."""
    units_ahead: bool | None = Field(None, alias="ML_ENDPOINTS_UNITS_AHEAD")
    """Whether the next unit of each worker is claimed, and its inputs fetched, while one runs.
    Where several hosts share the stores, a job may then run on up to twice as many workers as
    it asked for. None: yes on the embedded platform, where there is one host, else no."""
    job_retention_days: Annotated[float, Field(ge=0, le=36500), DAYS] = Field(
        0, alias="ML_ENDPOINTS_JOB_RETENTION_DAYS"
    )
    """Batch jobs that ended longer ago are removed, with their plans and logs but not their
    results; 0 keeps them."""
    web_file_max_bytes: ByteCount = Field(4 * 2**30, alias="ML_ENDPOINTS_WEB_FILE_MAX_BYTES")
    """The largest file that a job takes from a web address."""
    web_file_max_time: Annotated[float, Field(gt=0, le=840), SECONDS] = Field(
        600, alias="ML_ENDPOINTS_WEB_FILE_MAX_TIME"
    )
    """How long one such file may take to come."""


class DropSettings(SettingsGroup):
    """When a drop folder is sealed, and its job starts; an endpoint's own options go before."""

    quiet_period: Seconds = Field(2, alias="ML_ENDPOINTS_DROP_QUIET_PERIOD")
    """Once nothing has landed for this long."""
    max_wait: Seconds = Field(3600, alias="ML_ENDPOINTS_DROP_MAX_WAIT")
    """After this long even if files keep landing."""
    max_files: Annotated[int, Field(ge=1, le=MOST_FILES)] = Field(
        MOST_FILES, alias="ML_ENDPOINTS_DROP_MAX_FILES"
    )
    """Once as many files have landed; more go into the next drop."""
    max_bytes: ByteCount | None = Field(None, alias="ML_ENDPOINTS_DROP_MAX_BYTES")
    """Once as much has landed; none means no limit."""


class ScheduleSettings(SettingsGroup):
    """Jobs that start by a schedule."""

    misfire_window: Seconds = Field(3600, alias="ML_ENDPOINTS_SCHEDULE_MISFIRE_WINDOW")
    """How late a due time may still be met, when nobody was up at it."""
