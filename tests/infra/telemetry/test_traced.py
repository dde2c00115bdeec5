"""What the traced adapters tell those they talk to."""

from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from domain.ports import Instance, InstanceLost, Message, ScoringRequest
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.telemetry.traced import TracedScorer, TracedWorkQueue
from tests.kit.scorers import ScriptedScorer

OURS = SpanContext(0xA, 0xB, False, TraceFlags(TraceFlags.SAMPLED))
TOLD = f"00-{0xA:032x}-{0xB:016x}-01"


@pytest.fixture(autouse=True)
def within_a_span() -> object:
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(OURS)))
    yield
    context.detach(token)


async def test_the_instance_is_told_our_span_and_not_the_callers() -> None:
    inner = ScriptedScorer()
    headers = [("traceparent", "00-theirs"), ("content-type", "text/plain")]
    request = ScoringRequest("POST", "/score", "", headers, b"{}")
    answer = await TracedScorer(inner).score(Instance("i", "/run/i"), request, timeout=1)
    assert answer.body == b"i"
    [(_, told, timeout)] = inner.asked
    assert dict(told.headers) == {"content-type": "text/plain", "traceparent": TOLD}
    assert (told.body, timeout) == (b"{}", 1)


async def test_a_fault_passes_through() -> None:
    lost = InstanceLost("gone", sent=False)
    scorer = TracedScorer(ScriptedScorer(lambda *_: lost))
    with pytest.raises(InstanceLost) as raised:
        await scorer.score(
            Instance("i", "/run/i"), ScoringRequest("GET", "/", "", [], b""), timeout=1
        )
    assert raised.value is lost


async def test_a_message_carries_its_sender(tmp_path: Path) -> None:
    inner = SqliteWorkQueue(tmp_path / "queues.db", max_delivery_count=10)
    await TracedWorkQueue(inner).send("work", Message({"n": 1}), Message({"n": 2}))
    received = await inner.receive("work", 10, timedelta(seconds=30))
    assert [message.properties["traceparent"] for message in received] == [TOLD, TOLD]
    await inner.close()
