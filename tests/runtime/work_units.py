"""Units of work, and what a worker says of them."""

import json
from typing import Any

from tests.runtime.harness import Server


def unit(
    *batches: list[dict[str, str]], block: str | None, form: str = "csv", tries: int = 1
) -> bytes:
    return json.dumps(
        {
            "attempt_id": "a1",
            "mini_batches": [
                {"ordinal": 7 + number, "tries": tries, "inputs": inputs}
                for number, inputs in enumerate(batches)
            ],
            "output_format": form,
            "block_url": block,
            "timeout": 30,
        }
    ).encode()


def events(server: Server, body: bytes) -> list[dict[str, Any]]:
    reply = server.ask("POST", "/units", body)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in reply.body.splitlines()]
