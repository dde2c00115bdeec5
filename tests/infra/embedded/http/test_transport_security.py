"""Whose callers are told to come by TLS alone."""

import pytest
from azurefunctions.extensions.http.fastapi import Response

from infra.embedded.http.transport_security import transport_security
from tests.infra.embedded.conftest import Served


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("https://ml.example:7443", True),
        ("https://ml.example.", True),
        ("http://ml.example", False),
        ("https://127.0.0.1:7443", False),
        ("https://192.0.2.7", False),
        ("https://[2001:db8::1]", False),
        ("https://localhost:7443", False),
        ("https://ml.localhost", False),
    ],
)
def test_names_have_it_and_addresses_and_this_machine_do_not(base_url: str, told: bool) -> None:
    assert bool(transport_security(base_url)) is told


async def test_every_answer_carries_it(served: Served) -> None:
    async def healthy(_: object) -> Response:
        return Response("Healthy")

    headers = transport_security("https://ml.example")
    async with served(exact={"/healthz": healthy}, headers=headers) as client:
        for path in ("/healthz", "/nowhere"):
            answer = await client.get(path)
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert answer.headers["x-content-type-options"] == "nosniff"
