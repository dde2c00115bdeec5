"""Where requests that users ask for may go, and a real client that keeps to it."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from domain.ports import WebhookUnreachable
from infra.outbound_addresses import AddressRefused, GuardedResolver, is_public, url_fault
from infra.webhooks import HttpWebhooks


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "nonsense",
    ],
)
def test_addresses_of_the_inside_are_none_of_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "20.50.2.3", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https:///x",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://b\u00fccher.example/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://a.localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/metadata/identity",
        "https://example.com/" + "x" * 2048,
    ],
)
def test_urls_that_lead_inside_or_nowhere_are_refused(url: str) -> None:
    assert url_fault(url, allow_private=False)


def test_a_setting_lets_the_inside_be_called_but_nothing_else() -> None:
    assert url_fault("https://hooks.example.com:8443/a?b=c", allow_private=False) is None
    assert url_fault("http://127.0.0.1:8080/x", allow_private=True) is None
    assert url_fault("ftp://127.0.0.1/", allow_private=True)
    assert url_fault("https://user@127.0.0.1/", allow_private=True)


class ToldResolver(AbstractResolver):
    """Names lead where a test says."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self.addresses
        ]

    async def close(self) -> None:
        return


async def test_a_name_is_as_good_as_the_worst_of_its_addresses() -> None:
    assert await GuardedResolver(ToldResolver("8.8.8.8")).resolve("x.example", 443)
    with pytest.raises(AddressRefused):
        await GuardedResolver(ToldResolver("8.8.8.8", "10.0.0.1")).resolve("x.example", 443)


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


async def test_a_name_that_leads_inside_is_not_connected_to(served: tuple[Served, str]) -> None:
    handler, url = served
    webhooks = HttpWebhooks(allow_private=False)
    # What a check of the text alone lets through, and a hostile name server answers.
    session = webhooks._opened()
    connector = session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    connector._resolver = GuardedResolver(ToldResolver("127.0.0.1"))
    port = url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(WebhookUnreachable, match="private or reserved") as refusal:
        await webhooks.send("POST", f"https://inside.example:{port}/", {}, b"x")
    assert "127.0.0.1" not in refusal.value.message
    assert handler.heads == []
    with pytest.raises(WebhookUnreachable, match="Only https"):
        await webhooks.send("POST", url, {}, b"x")
    await webhooks.close()


async def test_an_answer_is_its_status_and_headers(served: tuple[Served, str]) -> None:
    handler, url = served
    webhooks = HttpWebhooks(allow_private=True)
    answer = await webhooks.send("POST", url, {"webhook-id": "1"}, b"{}")
    assert (answer.status, answer.headers["retry-after"]) == (204, "7")
    assert b"webhook-id: 1" in handler.heads[0]
    assert b"POST /hook" in handler.heads[0]
    await webhooks.close()


async def test_redirects_are_not_followed(served: tuple[Served, str]) -> None:
    handler, url = served
    handler.answer = f"HTTP/1.1 302 Found\r\nLocation: {url}2\r\n\r\n".encode()
    webhooks = HttpWebhooks(allow_private=True)
    assert (await webhooks.send("POST", url, {}, b"{}")).status == 302
    assert len(handler.heads) == 1
    await webhooks.close()


async def test_an_endless_answer_is_not_read(served: tuple[Served, str]) -> None:
    handler, url = served
    handler.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 100_000
    webhooks = HttpWebhooks(allow_private=True)
    assert (await webhooks.send("POST", url, {}, b"{}")).status == 200
    await webhooks.close()


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
async def test_who_does_not_answer_in_time_or_at_all_is_unreachable(
    served: tuple[Served, str], answer: bytes
) -> None:
    handler, url = served
    handler.answer = answer
    webhooks = HttpWebhooks(allow_private=True, timeout=0.2)
    with pytest.raises(WebhookUnreachable):
        await webhooks.send("POST", url, {}, b"{}")
    await webhooks.close()
