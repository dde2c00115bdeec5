"""What scripts collect by `azureml.ai.monitoring`, as a gateway takes it from their process."""

import json
from typing import Any

from tests.runtime.harness import Server, Start

COLLECTS = """
    import json
    from azureml.ai.monitoring import Collector
    from azureml.ai.monitoring.context import BasicCorrelationContext

    def init():
        global seen, told
        seen = Collector(name="seen")
        told = Collector(name="told", on_error=print)

    def run(data):
        rows = json.loads(data)
        context = seen.collect(rows)
        told.collect({"rows": len(rows)}, context)
        told.collect([object()], BasicCorrelationContext(id="mine"))
        return len(rows)
"""
ENABLED = {"ML_ENDPOINTS_DATA_COLLECTOR": json.dumps({"Seen": 1, "told": 1.0})}


def taken(server: Server) -> list[dict[str, Any]]:
    body = server.ask("POST", "/collected").body
    return [json.loads(line) for line in body.splitlines()]


def test_what_is_collected_is_taken_once_and_has_its_requests_id(start: Start) -> None:
    server = start(COLLECTS, env=ENABLED).ready()
    assert server.ask(body="[1, 2]", headers={"x-request-id": "r1"}).json == 2
    first, second = taken(server)
    assert (first["collection"], json.loads(first["data"])) == ("Seen", [1, 2])
    assert (second["collection"], json.loads(second["data"])) == ("told", {"rows": 2})
    assert {each["correlation"] for each in (first, second)} == {"r1"}
    assert first["type"] == "python.list"
    assert taken(server) == []
    assert "list cannot be collected" in server.log
    assert server.ask("GET", "/collected").status == 405


def test_a_collection_that_is_not_enabled_is_told_at_start(start: Start) -> None:
    server = start(COLLECTS, env={"ML_ENDPOINTS_DATA_COLLECTOR": '{"told": 1}'})
    assert server.exit_code() == 3
    assert "data_collector does not enable 'seen', but told" in server.log


def test_what_is_more_than_is_held_is_counted(start: Start) -> None:
    script = """
        from azureml.ai.monitoring import Collector

        def init():
            global seen
            seen = Collector(name="seen", on_error=lambda error: None)

        def run(data):
            for _ in range(int(data)):
                seen.collect("x" * 1_000_000)
            return 1
    """
    server = start(script, env=ENABLED).ready()
    server.ask(body="30")
    lost, *kept = taken(server)
    more = [each for _ in range(5) for each in taken(server)]
    assert lost == {"collection": "Seen", "lost": 30 - len(kept) - len(more)}
    assert len(kept) + len(more) == 16
