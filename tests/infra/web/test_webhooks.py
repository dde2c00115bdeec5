"""Requests to addresses that users name, by a real client: what is refused, and what is kept."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from domain.ports import WebhookUnreachable
from infra.web.outbound import OutboundAddresses
from infra.web.webhooks import HttpWebhooks
from tests.kit.waiting import PATIENCE

HERE = OutboundAddresses([ip_network("127.0.0.1/32")])
NOWHERE = OutboundAddresses(())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://b\u00fccher.example/",
        "https://127.1/",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_urls_that_lead_inside_or_nowhere_are_refused(url: str) -> None:
    assert HttpWebhooks(NOWHERE).fault(url)


def test_a_named_network_may_be_called_but_nothing_else() -> None:
    assert HttpWebhooks(NOWHERE).fault("https://hooks.example.com:8443/a?b=c") is None
    webhooks = HttpWebhooks(HERE)
    assert webhooks.fault("http://127.0.0.1:8080/x") is None
    assert webhooks.fault("http://127.0.0.2:8080/x")
    assert webhooks.fault("ftp://127.0.0.1/")
    assert webhooks.fault("https://user@127.0.0.1/")


class Served:
    """A server on this machine that answers each request with `answer`."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def served() -> AsyncIterator[tuple[Served, str]]:
    handler = Served(b"HTTP/1.1 204 No Content\r\nRetry-After: 7\r\n\r\n")
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield handler, f"http://127.0.0.1:{port}/hook"
    server.close()


async def test_a_name_that_leads_inside_is_not_connected_to(
    served: tuple[Served, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, url = served
    inside = url.replace("127.0.0.1", "inside.example")
    # What a check of the text alone lets through, and a hostile name server answers.
    found = socket.getaddrinfo("127.0.0.1", None, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    elsewhere = HttpWebhooks(OutboundAddresses([ip_network("127.0.0.9/32")]))
    for webhooks, target, why in (
        (HttpWebhooks(NOWHERE), inside.replace("http:", "https:"), "not a public address"),
        (elsewhere, inside, "https only"),
        (HttpWebhooks(NOWHERE), url, "https only"),
    ):
        with pytest.raises(WebhookUnreachable, match=why) as refusal:
            await webhooks.send("POST", target, {}, b"x")
        assert "127.0.0.1" not in refusal.value.message
        await webhooks.close()
    assert handler.heads == []


async def test_an_answer_is_its_status_and_headers(served: tuple[Served, str]) -> None:
    handler, url = served
    webhooks = HttpWebhooks(HERE, timeout=PATIENCE)
    answer = await webhooks.send("POST", url, {"webhook-id": "1"}, b"{}")
    assert (answer.status, answer.headers["retry-after"]) == (204, "7")
    assert b"webhook-id: 1" in handler.heads[0]
    assert b"POST /hook" in handler.heads[0]
    await webhooks.close()


async def test_redirects_are_not_followed(served: tuple[Served, str]) -> None:
    handler, url = served
    handler.answer = f"HTTP/1.1 302 Found\r\nLocation: {url}2\r\n\r\n".encode()
    webhooks = HttpWebhooks(HERE, timeout=PATIENCE)
    assert (await webhooks.send("POST", url, {}, b"{}")).status == 302
    assert len(handler.heads) == 1
    await webhooks.close()


async def test_an_endless_answer_is_not_read(served: tuple[Served, str]) -> None:
    handler, url = served
    handler.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 100_000
    webhooks = HttpWebhooks(HERE, timeout=PATIENCE)
    assert (await webhooks.send("POST", url, {}, b"{}")).status == 200
    await webhooks.close()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
async def test_who_does_not_answer_in_time_or_at_all_is_unreachable(
    served: tuple[Served, str], answer: bytes
) -> None:
    handler, url = served
    handler.answer = answer
    webhooks = HttpWebhooks(HERE, timeout=0.2)
    with pytest.raises(WebhookUnreachable):
        await webhooks.send("POST", url, {}, b"{}")
    await webhooks.close()
