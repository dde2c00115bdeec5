"""Where traces, metrics and logs go: Application Insights, an OpenTelemetry collector, or nowhere.

Nowhere costs nothing: no SDK is imported and no handler or adapter is wrapped. What is
exported is batched on threads of the SDK's own, which drop what they cannot hold or deliver;
the process's end flushes them.
"""

import logging
import os
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.trace import ProxyTracerProvider

from domain.audit.audit_telling import LOGGER as AUDIT
from domain.jobs.finishing.job_telling import LOGGER as JOBS
from infra.settings import Settings
from infra.settings.adapters import TelemetrySettings
from infra.telemetry.request_telling import LOGGER as REQUESTS

SERVICE = "ml-endpoints"
_EXPORT_TIMEOUT = 5
_INSTRUMENTED_ELSEWHERE = (
    "django",
    "fastapi",
    "flask",
    "httpx",
    "httpx2",
    "psycopg2",
    "requests",
    "urllib",
    "urllib3",
)


def start(settings: Settings) -> bool:
    """Set up what `settings` ask for, once in a process; whether traces go anywhere. To be
    called before any function or adapter is made, for they look whether there is a use."""
    if not isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        return True
    told = settings.telemetry
    if told.application_insights:
        credential = _credential(settings.cloud.azure_client_id)
        _to_application_insights(told, told.application_insights, credential)
        return True
    if told.otlp_endpoint:
        _to_collector(told, told.otlp_endpoint)
        return True
    return False


def _to_collector(settings: TelemetrySettings, endpoint: str) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from infra.telemetry.telemetry_sdk import HostsTraceIds

    resource = _resource()
    provider = TracerProvider(
        resource=resource,
        sampler=ParentBasedTraceIdRatio(settings.trace_sampling),
        id_generator=HostsTraceIds(),
    )
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=_EXPORT_TIMEOUT)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _metrics_to_collector(endpoint, resource)
    if settings.telemetry_logs:
        _logs_to_collector(endpoint, resource)


def _metrics_to_collector(endpoint: str, resource: Any) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    from infra.telemetry.metric_names import views

    exporter = OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", timeout=_EXPORT_TIMEOUT)
    # Azure Monitor's grain for endpoints is a minute.
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)
    metrics.set_meter_provider(MeterProvider([reader], resource, views=views()))


def _logs_to_collector(endpoint: str, resource: Any) -> None:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    from infra.telemetry.telemetry_sdk import Redacting

    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(Redacting())
    exporter = OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", timeout=_EXPORT_TIMEOUT)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    handler = LoggingHandler(logger_provider=provider)
    for name in ("", AUDIT, JOBS, REQUESTS):
        logging.getLogger(name).addHandler(handler)


def _to_application_insights(settings: TelemetrySettings, connection: str, credential: Any) -> None:
    # Its detector of virtual machines would ask the network at start.
    os.environ.setdefault("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "azure_app_service")
    # Endpoints and deployments have metrics of the same names, told apart by their namespaces.
    os.environ.setdefault("APPLICATIONINSIGHTS_METRIC_NAMESPACE_OPT_IN", "true")
    from azure.monitor.opentelemetry import configure_azure_monitor
    from opentelemetry.instrumentation.logging.handler import LoggingHandler
    from opentelemetry.sdk.trace import TracerProvider

    from infra.telemetry.metric_names import views
    from infra.telemetry.telemetry_sdk import HostsTraceIds, Redacting

    first = "" if settings.telemetry_logs else AUDIT
    configure_azure_monitor(
        connection_string=connection,
        credential=credential,
        sampling_ratio=settings.trace_sampling,
        resource=_resource(),
        # The audit log, jobs that ended and the requests that deployments ask for go there whoever
        # sends the others.
        logger_name=first,
        views=views(),
        enable_live_metrics=False,
        enable_performance_counters=False,
        disable_offline_storage=True,
        log_record_processors=[Redacting()],
        instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTED_ELSEWHERE},
    )
    for handler in list(logging.getLogger(first).handlers):
        if isinstance(handler, LoggingHandler):
            for name in {AUDIT, JOBS, REQUESTS} - {first}:
                logging.getLogger(name).addHandler(handler)
    provider = trace.get_tracer_provider()
    # With OTEL_TRACES_EXPORTER=none there are no traces, and no provider of the SDK's.
    if isinstance(provider, TracerProvider):
        provider.id_generator = HostsTraceIds()


def _credential(client_id: str | None) -> Any:
    """What telemetry is sent with in Azure, where the resource takes no instrumentation key."""
    if client_id is None:
        return None
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id)


def _resource() -> Any:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    found = Resource.create()
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: SERVICE}))
    return found
