"""What we give to OpenTelemetry's SDK; imported only where it is used."""

from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import get_current_span

from infra.telemetry.redaction import redact


class HostsTraceIds(RandomIdGenerator):
    """A first span keeps the trace id that the embedded host gave its invocation, so that the
    host's own log and answers name the same operation."""

    def generate_trace_id(self) -> int:
        current = get_current_span().get_span_context()
        return current.trace_id if current.is_valid else super().generate_trace_id()


class Redacting(LogRecordProcessor):
    """Before any other: nothing that looks like a credential is exported."""

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        record = log_record.log_record
        if isinstance(record.body, str):
            record.body = redact(record.body)
        attributes = record.attributes
        for name, value in dict(attributes or {}).items():
            if isinstance(value, str):
                attributes[name] = redact(value)  # type: ignore[index]  # a mutable mapping

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True
