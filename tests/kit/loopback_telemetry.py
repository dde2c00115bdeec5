"""Servers that take telemetry on loopback and keep what came."""

import gzip
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True)
class Span:
    """`kind` is INTERNAL 1, SERVER 2, CLIENT 3, PRODUCER 4, CONSUMER 5."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    service: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Log:
    body: str
    trace: str
    attributes: dict[str, Any]


class _Server:
    """Answers every POST with what `take` makes of its path and body."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        taker = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                answer = taker.take(self.path, body)
                taker.paths.append(self.path)
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, path: str, body: bytes) -> bytes:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Collector(_Server):
    """An OpenTelemetry collector (OTLP over HTTP, protobuf)."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.logs: list[Log] = []
        self.metrics: list[tuple[str, str, dict[str, Any]]] = []
        """Meter, instrument and dimensions of every figure that came."""

    def take(self, path: str, body: bytes) -> bytes:
        if path == "/v1/traces":
            for told in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _attributes(told.resource.attributes)["service.name"]
                for scope in told.scope_spans:
                    self.spans.extend(
                        Span(
                            span.name,
                            span.kind,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            service,
                            _attributes(span.attributes),
                        )
                        for span in scope.spans
                    )
        if path == "/v1/metrics":
            for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for meter in measured.scope_metrics:
                    self.metrics.extend(
                        (meter.scope.name, metric.name, _attributes(point.attributes))
                        for metric in meter.metrics
                        for point in (*metric.sum.data_points, *metric.histogram.data_points)
                    )
        if path == "/v1/logs":
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
                for logs in resource.scope_logs:
                    self.logs.extend(
                        Log(
                            record.body.string_value,
                            record.trace_id.hex(),
                            _attributes(record.attributes),
                        )
                        for record in logs.log_records
                    )
        return b""


class Ingestion(_Server):
    """Application Insights' ingestion endpoint: lines of JSON, or a list."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[dict[str, Any]] = []

    @property
    def connection_string(self) -> str:
        key = "00000000-0000-0000-0000-000000000000"
        return f"InstrumentationKey={key};IngestionEndpoint={self.url}/;LiveEndpoint={self.url}/"

    def take(self, path: str, body: bytes) -> bytes:
        if not path.endswith("/track"):
            return b"{}"
        text = body.decode()
        items = json.loads(text) if text.startswith("[") else map(json.loads, text.splitlines())
        came = list(items)
        self.items.extend(came)
        told = {"itemsReceived": len(came), "itemsAccepted": len(came), "errors": []}
        return json.dumps(told).encode()

    def of_type(self, base_type: str) -> list[dict[str, Any]]:
        return [item for item in list(self.items) if item["data"]["baseType"] == base_type]


def _attributes(pairs: Any) -> dict[str, Any]:
    def value(any_value: AnyValue) -> Any:
        kind = any_value.WhichOneof("value")
        return getattr(any_value, kind) if kind else None

    def read(pair: KeyValue) -> tuple[str, Any]:
        return pair.key, value(pair.value)

    return dict(map(read, pairs))
