"""Reading users' addresses: what is refused, before and after a redirect, and how much is read."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network

import pytest

from domain.ports import WebFileRefused, WebFileUnavailable
from infra.web.outbound import AddressRefused, OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from tests.kit.waiting import PATIENCE
from tests.kit.web_server import WebServer, reply, web_server

HERE = OutboundAddresses([ip_network("127.0.0.1/32")])
NOWHERE = OutboundAddresses(())


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def web(
    addresses: OutboundAddresses = HERE, size: int = 2**20, time: float = PATIENCE
) -> PublicWebFiles:
    return PublicWebFiles(addresses, max_bytes=size, max_time=time)


async def content(files: PublicWebFiles, url: str) -> bytes:
    return b"".join([piece async for piece in files.read(url)])


async def test_a_file_is_read_whole_through_redirects(server: WebServer) -> None:
    server.file("/data.csv", b"x" * 300_000)
    server.redirect("/old", "/older?sig=1")
    server.redirect("/older", f"{server.url}/data.csv")
    assert await content(web(), f"{server.url}/old") == b"x" * 300_000
    assert server.asked == ["/old", "/older?sig=1", "/data.csv"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:0:7f00:1::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::8.8.8.8",
        "fec0::1",
        "192.0.0.192",
        "192.88.99.1",
        "127.1",
        "2130706433",
        "no address",
    ],
)
def test_only_public_addresses_are_allowed(address: str) -> None:
    with pytest.raises(AddressRefused):
        NOWHERE.check(address, plain=False)


def test_a_public_address_is_allowed_by_https_and_a_named_network_by_both() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"):
        NOWHERE.check(address, plain=False)
        with pytest.raises(AddressRefused, match="https only"):
            HERE.check(address, plain=True)
    HERE.check("127.0.0.1", plain=True)
    with pytest.raises(AddressRefused, match="not a public address"):
        HERE.check("127.0.0.2", plain=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/x", "https only"),
        ("https://127.0.0.1/x", "not a public address"),
        ("https://localhost/x", "not a public address"),
        ("https://a.localhost./x", "not a public address"),
        ("https://[::1]/x", "not a public address"),
        ("https://[::ffff:169.254.169.254]/x", "not a public address"),
        ("https://169.254.169.254/metadata", "not a public address"),
        ("https://2130706433/", "not a public address"),
        ("https://127.1/", "not a public address"),
        ("https://0251.0376.0251.0376/", "not a public address"),
        ("https://0xa9fea9fe/", "not a public address"),
        ("https://169.16689662/", "not a public address"),
        ("https://100.100.100.200/", "not a public address"),
        ("https://192.0.0.192/", "not a public address"),
        ("https://127。0。0。1/", "not a public address"),
        ("https://[64:ff9b::169.254.169.254]/", "not a public address"),
        ("https://[2002:a9fe:a9fe::1]/", "not a public address"),
        ("https://[::ffff:0:169.254.169.254]/", "not a public address"),
        ("https://[fe80::1%25eth0]/", "not a public address"),
        ("https://me:secret@example.com/x", "user or password"),
        ("https:///x", "names a host"),
        ("https://example.com:99999/", "cannot be read"),
        ("ftp://example.com/", "begins with https"),
        ("https://example.com/" + "a" * 5000, "1 to 4096"),
        ("https://example.com/a\nb", "printable"),
        ("https://[::1", "cannot be read"),
    ],
)
async def test_what_an_addresss_text_forbids_is_told_at_once(url: str, why: str) -> None:
    assert why in (web(NOWHERE).fault(url) or "")
    with pytest.raises(WebFileRefused, match=why):
        await content(web(NOWHERE), url)
    assert "secret" not in (web(NOWHERE).fault(url) or "")


async def test_a_name_that_leads_to_this_machine_is_not_connected_to(server: WebServer) -> None:
    server.file("/x", b"inside")
    port = server.url.rpartition(":")[2]
    for host in ("localhost", "0x7f000001", "0177.0.0.1"):
        # Only their look-up shows where they lead; what is allowed is another address.
        elsewhere = web(OutboundAddresses([ip_network("127.0.0.9/32")]))
        with pytest.raises((WebFileRefused, WebFileUnavailable)):
            await content(elsewhere, f"http://{host}:{port}/x")
    assert server.asked == []


async def test_a_redirect_to_a_forbidden_address_is_not_followed(server: WebServer) -> None:
    server.file("/x", b"inside")
    port = server.url.rpartition(":")[2]
    for target in (
        f"http://127.0.0.2:{port}/x",
        f"http://0x7f000002:{port}/x",
        "http://169.254.169.254/metadata",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://[::1",
        "",
    ):
        server.asked.clear()
        server.redirect("/go", target)
        if target:
            with pytest.raises(WebFileRefused):
                await content(web(), f"{server.url}/go")
            assert server.asked == ["/go"]
    server.redirect("/round", "/round")
    with pytest.raises(WebFileRefused, match="more than 5 times"):
        await content(web(), f"{server.url}/round")


async def test_what_is_too_large_is_refused_told_or_not(server: WebServer) -> None:
    url = server.file("/big", b"x" * 2000)
    with pytest.raises(WebFileRefused, match="larger than the 1999 bytes"):
        await content(web(size=1999), url)
    assert len(await content(web(size=2000), url)) == 2000

    def untold(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"x" * 2000)

    server.answers["/untold"] = untold
    with pytest.raises(WebFileRefused, match="larger than the 1999 bytes"):
        await content(web(size=1999), f"{server.url}/untold")


async def test_what_does_not_come_in_time_is_refused(server: WebServer) -> None:
    over = threading.Event()

    def dripping(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with contextlib.suppress(ConnectionError):
            while not over.wait(0.01):
                request.wfile.write(b"x")

    server.answers["/dripping"] = dripping
    with pytest.raises(WebFileRefused, match=r"not come whole within 0\.2 seconds"):
        await content(web(time=0.2), f"{server.url}/dripping")
    over.set()


async def test_an_answer_that_breaks_off_is_not_a_file(server: WebServer) -> None:
    def torn(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "1000")
        request.end_headers()
        request.wfile.write(b"x" * 10)

    server.answers["/torn"] = torn
    with pytest.raises(WebFileUnavailable):
        await content(web(), f"{server.url}/torn")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, WebFileRefused),
        (403, WebFileRefused),
        (206, WebFileRefused),
        (304, WebFileRefused),
        (429, WebFileUnavailable),
        (500, WebFileUnavailable),
        (503, WebFileUnavailable),
    ],
)
async def test_answers_that_are_no_file(
    server: WebServer, status: int, error: type[Exception]
) -> None:
    server.answers["/x"] = lambda request: reply(request, status, b"")
    with pytest.raises(error, match=str(status)) as caught:
        await content(web(), f"{server.url}/x?sig=s3cret")
    assert "s3cret" not in str(caught.value)


async def test_a_compressed_answer_and_a_server_that_is_not_there(server: WebServer) -> None:
    server.answers["/z"] = lambda request: reply(request, 200, b"z", content_encoding="gzip")
    with pytest.raises(WebFileRefused, match="only compressed"):
        await content(web(), f"{server.url}/z")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        with pytest.raises(WebFileUnavailable, match="could not be read"):
            await content(web(), f"http://127.0.0.1:{port}/x")
