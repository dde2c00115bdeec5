"""Deployments, online and batch, as YAML has them."""

from cli.kinds.assets import CODE_CONFIGURATION, ENVIRONMENT_FIELD, MODEL_FIELD
from cli.kinds.collectors import COLLECTOR
from cli.kinds.endpoints import COMMON, SWITCH
from cli.kinds.types import (
    Anything,
    Choice,
    Field,
    MapOf,
    Record,
    Span,
    Text,
    Whole,
)

_COMMON = (
    *COMMON,
    Field("endpoint_name", Text(), doc="the endpoint it belongs to"),
    Field("environment", ENVIRONMENT_FIELD, "properties.environmentId"),
    Field("code_configuration", CODE_CONFIGURATION, "properties.codeConfiguration"),
)
_READ_ONLY = tuple(
    Field(name, Anything(), rest, ignored=True)
    for name, rest in (
        ("id", "id"),
        ("location", "location"),
        ("provisioning_state", "properties.provisioningState"),
        ("warnings", "properties.warnings"),
        ("creation_context", ""),
    )
)
_PROBE = Record(
    (
        Field("initial_delay", Span(1), "initialDelay"),
        Field("period", Span(1, 1), "period"),
        Field("timeout", Span(1, 1), "timeout"),
        Field("success_threshold", Whole(1), "successThreshold"),
        Field("failure_threshold", Whole(1), "failureThreshold"),
    )
)
_SCALE = Record(
    (
        Field(
            "type",
            Choice({"default": "Default", "target_utilization": "TargetUtilization"}),
            "scaleType",
            required=True,
        ),
        Field("min_instances", Whole(0), "minInstances"),
        Field("max_instances", Whole(1), "maxInstances"),
        Field("target_utilization_percentage", Whole(1, 100), "targetUtilizationPercentage"),
        Field("polling_interval", Span(1, 1), "pollingInterval"),
    )
)
_QUANTITIES = Record(
    (
        Field("cpu", Text(), "cpu"),
        Field("memory", Text(), "memory"),
        Field("nvidia.com/gpu", Text(), "gpu"),
    )
)
ONLINE_DEPLOYMENT = Record(
    (
        *_COMMON,
        Field("model", MODEL_FIELD, "properties.model"),
        Field("model_mount_path", Text(), "properties.modelMountPath"),
        Field("environment_variables", MapOf(Text()), "properties.environmentVariables"),
        Field("instance_type", Text(), "properties.instanceType"),
        Field("instance_count", Whole(0), "sku.capacity"),
        Field("app_insights_enabled", Anything(), "properties.appInsightsEnabled"),
        Field("egress_public_network_access", SWITCH, "properties.egressPublicNetworkAccess"),
        Field("scale_settings", _SCALE, "properties.scaleSettings"),
        Field(
            "request_settings",
            Record(
                (
                    Field("request_timeout_ms", Span(0.001, 1), "requestTimeout"),
                    Field(
                        "max_concurrent_requests_per_instance",
                        Whole(1),
                        "maxConcurrentRequestsPerInstance",
                    ),
                    Field("max_queue_wait_ms", Span(0.001), "maxQueueWait"),
                )
            ),
            "properties.requestSettings",
        ),
        Field("liveness_probe", _PROBE, "properties.livenessProbe"),
        Field("readiness_probe", _PROBE, "properties.readinessProbe"),
        Field("data_collector", COLLECTOR, "properties.dataCollector"),
        Field(
            "type",
            Choice({"managed": "Managed", "kubernetes": "Kubernetes"}),
            "properties.endpointComputeType",
            default="managed",
        ),
        Field(
            "resources",
            Record(
                (
                    Field("requests", _QUANTITIES, "containerResourceRequests"),
                    Field("limits", _QUANTITIES, "containerResourceLimits"),
                )
            ),
            "properties.containerResourceRequirements",
            doc="of Kubernetes deployments",
        ),
        Field("private_network_connection", Anything(), ignored=True),
        *_READ_ONLY,
    ),
    "An online deployment: a model that answers requests.",
)

_JOB_RESOURCES = Record(
    (
        Field("instance_count", Whole(1), "instanceCount"),
        Field("instance_type", Text(), "instanceType"),
        Field("properties", Anything(), "properties"),
    )
)
_RETRY = Record(
    (
        Field("max_retries", Whole(0), "maxRetries"),
        Field("timeout", Span(1, 1), "timeout"),
    )
)
_BATCH_SETTINGS = (
    Field("mini_batch_size", Whole(1), "properties.miniBatchSize"),
    Field("max_concurrency_per_instance", Whole(1), "properties.maxConcurrencyPerInstance"),
    Field("error_threshold", Whole(-1), "properties.errorThreshold"),
    Field("retry_settings", _RETRY, "properties.retrySettings"),
    Field(
        "output_action",
        Choice({"append_row": "AppendRow", "summary_only": "SummaryOnly"}),
        "properties.outputAction",
    ),
    Field("output_file_name", Text(), "properties.outputFileName"),
    Field(
        "logging_level",
        Choice({"info": "Info", "warning": "Warning", "debug": "Debug"}),
        "properties.loggingLevel",
    ),
    Field("environment_variables", MapOf(Text()), "properties.environmentVariables"),
    # Ours.
    Field(
        "output_format",
        Choice({"csv": "Csv", "jsonl": "Jsonl", "parquet": "Parquet", "text": "Text"}),
        "properties.outputFormat",
    ),
    Field("mini_batch_by", Choice({"files": "Files", "rows": "Rows"}), "properties.miniBatchBy"),
    Field("bisect_failures", Anything(), "properties.bisectFailures"),
    Field("provenance_columns", Anything(), "properties.provenanceColumns"),
)

# Read, so that a pipeline is refused for what it is and not field by field.
_PIPELINE_SETTINGS = tuple(
    Field(name, Anything(), ignored=True)
    for name in ("default_compute", "default_datastore", "continue_on_step_failure", "force_rerun")
)

BATCH_DEPLOYMENT = Record(
    (
        *_COMMON,
        Field("model", MODEL_FIELD),
        Field("compute", Text(), "properties.compute"),
        Field("resources", _JOB_RESOURCES, "properties.resources"),
        *_BATCH_SETTINGS,
        Field(
            "settings",
            Record((*_BATCH_SETTINGS, *_PIPELINE_SETTINGS)),
            doc="the same, where `type` is said",
        ),
        Field("type", Choice({"model": "model", "pipeline": "pipeline"})),
        Field("component", Anything()),
        Field("job_definition", Anything()),
        *_READ_ONLY,
    ),
    "A batch deployment: a model that scores files.",
)
