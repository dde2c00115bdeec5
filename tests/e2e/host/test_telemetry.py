"""What a host tells of its work: to a collector, to Application Insights, or to nobody."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.telemetry.request_telling import LOGGER
from outside import scoring_files, serving
from outside.running_host import ROOT, RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.loopback_telemetry import Collector, Ingestion, Span
from tests.kit.waiting import PATIENCE, until

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SWIFT = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100"}


@contextmanager
def hosted(fleet: Fleet, folder: Path, **environment: str) -> Iterator[RunningHost]:
    with fleet.hosting(folder / "data", environment={**SWIFT, **environment}) as host:
        serving.environment(host)
        yield host
        assert host.stop() == 0
    assert not host.faults()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def spans_of(collector: Collector, trace: str) -> dict[str, Span]:
    """The trace's spans by id."""
    return {span.id: span for span in list(collector.spans) if span.trace == trace}


def causes(span: Span, spans: dict[str, Span]) -> list[str]:
    """The names of what led to a span, itself first."""
    chain = [span.name]
    while span.parent in spans:
        span = spans[span.parent]
        chain.append(span.name)
    return chain


def test_one_trace_goes_from_the_invocation_through_the_queues_to_the_instance(
    fleet: Fleet, tmp_path: Path, collector: Collector
) -> None:
    with hosted(fleet, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        scoring_files.batch(host, "shout")
        uri = scoring_files.data(host, {"a.txt": "one\n", "b.txt": "two\n"})
        asked = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        answer = scoring_files.invoke(host, "shout", uri, asked)
        assert answer.status_code == 201, answer.text
        job = scoring_files.ended(host, answer.json()["name"])
        assert job["status"] == "Completed"
        serving.endpoint(host, "echo")
        code = serving.codes(host, "echo", {"score.py": serving.ECHO})
        serving.deploy(host, "echo/blue", code, appInsightsEnabled=True)
        with serving.caller(host, "echo") as caller:
            other = TRACE[::-1]
            name = {"azureml-model-deployment": "blue"}
            headers = {**name, "traceparent": f"00-{other}-{CALLER}-01"}
            assert caller.post("", json={}, headers=headers).status_code == 200
            unsampled = {**name, "traceparent": f"00-{'1' * 32}-{CALLER}-00"}
            assert caller.post("", json={}, headers=unsampled).status_code == 200
            begun = caller.post("", json={}, headers=name)
            began = begun.headers["x-ms-correlation-request-id"]

    spans = spans_of(collector, TRACE)
    assert {span.service for span in spans.values()} == {"ml-endpoints"}
    [first] = [span for span in spans.values() if span.parent == CALLER]
    assert (first.kind, first.name) == (SERVER, "POST /endpoints/{endpoint}/jobs")
    assert first.attributes["http.response.status_code"] == 201
    units = [span for span in spans.values() if span.name == "POST /units"]
    assert len(units) == 2
    for unit in units:
        assert unit.kind == CLIENT
        chain = causes(unit, spans)
        assert chain[:3] == ["POST /units", "process mini-batches", "send mini-batches"]
        assert chain[-2:] == ["send batch-jobs", "POST /endpoints/{endpoint}/jobs"]

    spans = spans_of(collector, other)
    [to_instance] = [span for span in spans.values() if span.kind == CLIENT]
    assert causes(to_instance, spans) == ["POST /score", "POST /endpoints/{endpoint}/score"]

    namespace = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
    names = {"endpoint": "echo", "deployment": "blue"}
    assert (namespace, "RequestLatency", names) in collector.metrics
    answered = {**names, "envoy_response_code": "200"}
    assert (f"{namespace}/deployments", "RequestsPerMinute", answered) in collector.metrics

    asked_of = "POST /score of echo/blue: 200"
    [told] = [log for log in collector.logs if (log.trace, log.body) == (other, asked_of)]
    assert told.attributes["DeploymentName"] == "blue"

    # A caller that says so is not traced; a trace that begins here has the id that we told.
    assert not spans_of(collector, "1" * 32)
    assert {(s.kind, s.parent == "") for s in spans_of(collector, began).values()} == {
        (SERVER, True),
        (CLIENT, False),
    }


def test_logs_go_with_their_trace_and_without_secrets(
    fleet: Fleet, tmp_path: Path, collector: Collector
) -> None:
    with hosted(fleet, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as host:
        serving.endpoint(host, "iris")
        (host.inbox / "token=x").mkdir()
        (host.inbox / "Bearer abcdefghijklmnop").write_text("1")
        until(lambda: [log for log in collector.logs if "dropped outside" in log.body])
    [log] = [log for log in collector.logs if "dropped outside" in log.body]
    assert "Bearer ***" in log.body
    assert "abcdefghijklmnop" not in str(collector.logs)
    [landed] = spans_of(collector, log.trace).values()
    assert landed.name == "gather_input_blob"


def test_no_new_trace_is_sent_where_sampling_is_nought(
    fleet: Fleet, tmp_path: Path, collector: Collector
) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "ML_ENDPOINTS_TRACE_SAMPLING": "0",
        "ML_ENDPOINTS_TELEMETRY_LOGS": "false",
    }
    with hosted(fleet, tmp_path, **given) as host:
        serving.endpoint(host, "iris")
        url = f"{host.url}{host.workspace.connection['workspace']}/onlineEndpoints"
        asked = {**host.bearer(), "traceparent": f"00-{TRACE}-{CALLER}-01"}
        assert host.workspace.http.get(url, headers=asked).status_code == 200
    assert {span.trace for span in collector.spans} == {TRACE}
    assert collector.logs == []


def test_application_insights_is_told_of_requests_dependencies_and_logs(
    fleet: Fleet, tmp_path: Path
) -> None:
    with Ingestion() as ingestion:
        given = {
            "APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string,
            # Microsoft's own counts of its SDK's use, which go to Microsoft.
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        }
        with hosted(fleet, tmp_path, **given) as host:
            serving.endpoint(host, "iris")
            client = host.connection["client_id"]
    [put] = [
        item
        for item in ingestion.of_type("RequestData")
        if "/onlineEndpoints/" in item["data"]["baseData"]["name"]
        and item["data"]["baseData"]["name"].startswith("PUT ")
    ]
    assert put["data"]["baseData"]["responseCode"] == "201"
    assert put["data"]["baseData"]["url"].endswith("/onlineEndpoints/iris")
    operation = put["tags"]["ai.operation.id"]
    assert put["tags"]["ai.cloud.role"] == "ml-endpoints"
    same = [item for item in ingestion.items if item["tags"].get("ai.operation.id") == operation]
    names = {item["data"]["baseData"].get("name") for item in same}
    assert {"send provisioning", "process provisioning"} <= names
    assert ingestion.of_type("MessageData")
    events = [item["data"]["baseData"] for item in ingestion.of_type("EventData")]
    [record] = [e for e in events if e["properties"].get("audit.action") == "onlineEndpoints/write"]
    assert record["name"] == "AuditRecord"
    told = record["properties"]
    assert (told["audit.caller"], told["audit.client"]) == (client, "owner")
    assert (told["audit.status"], told["audit.code"]) == ("Succeeded", "201")
    assert told["audit.resource"] == "onlineEndpoints/iris"
    assert told["audit.address"] == "127.0.0.1"
    logins = {e["properties"]["audit.action"] for e in events}
    assert "clients/token/action" in logins


def test_telemetry_that_is_off_costs_no_import() -> None:
    code = (
        "import sys, function_app\n"
        "loaded = [m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'azure.monitor',"
        " 'opentelemetry.exporter', 'infra.telemetry.traced'))]\n"
        "assert not loaded, loaded\n"
        "from infra.embedded.host.functions import index\n"
        "wrapped = [f.name for f in index(function_app.app, {})"
        " if 'tracing' in f.handler.__code__.co_filename]\n"
        "assert not wrapped, wrapped\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"ML_ENDPOINTS_PLATFORM": "embedded", "PATH": "/usr/bin:/bin"},
        check=True,
        timeout=PATIENCE,
    )


def test_the_audit_log_and_requests_go_to_application_insights_with_all_else_turned_off() -> None:
    code = (
        "import function_app, logging\n"
        "from infra.telemetry.request_telling import LOGGER\n"
        "from datetime import UTC, datetime\n"
        "from domain.audit.audit_telling import tell\n"
        "from domain.ports import AuditRecord\n"
        "now = datetime.now(UTC)\n"
        "logging.getLogger('ml_endpoints.story').warning('not sent')\n"
        "told = {'EndpointName': 'iris', 'ResponseCode': 200, 'Caller': 'key:primary'}\n"
        "logging.getLogger(LOGGER).info('POST', extra=told)\n"
        "job = {'microsoft.custom_event.name': 'JobRecord', 'job.name': 'nightly'}\n"
        "logging.getLogger('ml_endpoints.jobs').info('Job', extra=job)\n"
        "tell(AuditRecord(id='1', at=now, ended_at=now, action='jobs/write', status='Succeeded'))\n"
    )
    with Ingestion() as ingestion:
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={
                "ML_ENDPOINTS_PLATFORM": "embedded",
                "ML_ENDPOINTS_TELEMETRY_LOGS": "false",
                "APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string,
                "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
                "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
                "OTEL_TRACES_EXPORTER": "none",
                "PATH": "/usr/bin:/bin",
            },
            check=True,
            timeout=PATIENCE,
        )
    events = {e["data"]["baseData"]["name"]: e for e in ingestion.of_type("EventData")}
    assert set(events) == {"AuditRecord", "JobRecord"}
    told = {name: each["data"]["baseData"]["properties"] for name, each in events.items()}
    assert told["AuditRecord"]["audit.action"] == "jobs/write"
    assert told["JobRecord"]["job.name"] == "nightly"
    [request] = ingestion.of_type("MessageData")
    properties = request["data"]["baseData"]["properties"]
    assert properties["logger_name"] == LOGGER, "by which Log Analytics is asked for it"
    assert (properties["EndpointName"], properties["ResponseCode"]) == ("iris", "200")
    assert properties["Caller"] == "key:primary"
