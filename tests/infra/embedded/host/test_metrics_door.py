"""`/metrics`: for callers with a token that may read endpoints."""

from datetime import timedelta
from typing import Any

import pytest
from starlette.requests import Request

from domain.audit.address_limits import AddressLimits
from domain.audit.credential_door import CredentialDoor
from domain.audit.login_counts import LoginCounts
from domain.errors import Unauthenticated
from domain.figures.request_counts import RequestCounts
from domain.ports import Principal, TokenVerifier
from infra.cloud.documents.document_audit_log import DocumentAuditLog
from infra.embedded.host.metrics_door import MetricsDoor
from infra.telemetry.request_metrics import RequestMetrics
from tests.infra.telemetry.test_request_metrics import RECORD
from tests.kit.clocks import HeldClock
from tests.kit.waiting import PATIENCE
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


class Known(TokenVerifier):
    async def verify(self, token: str) -> Principal:
        if token == "forged":
            raise Unauthenticated("The token is not ours.")
        return Principal("me", frozenset({token}))


def _door(most: int) -> CredentialDoor:
    clock = HeldClock()
    log = DocumentAuditLog(MemoryResourceStore(clock.unix), clock, keep=timedelta(days=90))
    return CredentialDoor(AddressLimits(clock, most=most), LoginCounts(log, clock, period=PATIENCE))


def _request(method: str, authorization: str | None) -> Request:
    headers = [(b"authorization", authorization.encode())] if authorization else []
    return Request({"type": "http", "method": method, "headers": headers, "path": "/metrics"})


async def _ask(method: str = "GET", authorization: str | None = None) -> Any:
    counts = RequestCounts()
    counts.record(RECORD)
    text = RequestMetrics(counts).text
    return await MetricsDoor([text], Known(), _door(0))(_request(method, authorization))


async def test_a_reader_gets_the_text() -> None:
    answer = await _ask(authorization="bearer reader")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'endpoint="iris"' in answer.body


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [
        (None, 401, b"AuthenticationFailed"),
        ("Basic reader", 401, b"AuthenticationFailed"),
        ("Bearer forged", 401, b"AuthenticationFailed"),
        ("Bearer stranger", 403, b"AuthorizationFailed"),
    ],
)
async def test_nobody_else_does(authorization: str | None, status: int, code: bytes) -> None:
    answer = await _ask(authorization=authorization)
    assert answer.status_code == status
    assert code in answer.body
    assert b"iris" not in answer.body
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_bad_tokens_keep_an_address_off_for_a_minute() -> None:
    door = MetricsDoor([], Known(), _door(2))
    asked = ("forged", "forged", "reader")
    answers = [await door(_request("GET", f"Bearer {each}")) for each in asked]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[-1].headers["retry-after"] == "60"


async def test_it_is_only_read() -> None:
    answer = await _ask("POST", "Bearer reader")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
