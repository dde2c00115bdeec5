"""The HTTP core, from outside: whatever a client sends, others are served."""

import os

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Start

ECHO = """
    import threading
    gate = threading.Event()

    def init():
        pass

    def run(data):
        if data == "wait":
            gate.wait()
        if data == "open":
            gate.set()
        return data if len(data) < 1000 else len(data)
"""

BIG = """
    def init():
        pass

    def run(data):
        return "x" * 5_000_000
"""


def test_a_connection_serves_one_request_after_another(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as wire:
        for text in (b"one", b"two", b"three"):
            wire.ask("POST", "/score", text)
            assert wire.reply().json == text.decode()


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    server = start(ECHO, "serve", "--max-concurrent", "4").ready()
    with server.connect() as wire:
        for number in range(300):
            if number % 3:
                wire.ask("POST", "/score", str(number).encode())
            else:
                wire.ask("GET", "/")
        for number in range(300):
            body = wire.reply().body
            assert body == (b'"%d"' % number if number % 3 else b"Healthy")


def test_a_body_may_come_in_pieces_of_any_size(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as wire:
        for byte in b"POST /score HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello":
            wire.send(bytes([byte]))
        assert wire.reply().json == "hello"
        wire.send(b"POST /score HTTP/1.1\r\ncontent-length: 3000000\r\n\r\n")
        for _ in range(3):
            wire.send(b"y" * 1_000_000)
        assert wire.reply().json == 3_000_000


def test_a_chunked_body_is_put_together(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as wire:
        wire.send(b"POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"3\r\nhel\r\n", b"2;note=1\r\n", b"lo\r\n0\r\nTrailer: x\r\n\r\n"):
            wire.send(piece)
        assert wire.reply().json == "hello"
        wire.ask("POST", "/score", b"again")
        assert wire.reply().json == "again"


def test_a_client_that_expects_continue_gets_it_before_its_body(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as wire:
        wire.send(b"POST /score HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert wire.line() == b"HTTP/1.1 100 Continue"
        assert wire.line() == b""
        wire.send(b"ok")
        assert wire.reply().json == "ok"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad name: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nname: x\n y\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        (b"POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /score HTTP/1.1\r\nexpect: magic\r\ncontent-length: 1\r\n\r\n", 417),
        (b"POST /score HTTP/1.1\r\ncontent-length: 2000\r\n\r\n", 413),
        (b"POST /score HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n7d0\r\n", 413),
        (b"GET / HTTP/1.1\r\nlong: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nendless: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused_with_a_reason_and_the_connection_ends(
    start: Start, raw: bytes, status: int
) -> None:
    server = start(ECHO, "serve", "--max-body", "1000")
    with server.connect() as wire:
        wire.send(raw)
        reply = wire.reply()
        assert reply.status == status
        assert reply.json["message"]
        assert reply.headers["connection"] == "close"
        assert reply.headers["x-ms-server-version"].startswith("ml-endpoints/")
        assert wire.at_end()


def test_a_client_that_does_not_read_holds_up_nobody(start: Start) -> None:
    server = start(BIG, "serve", "--max-queue", "30").ready()
    with server.connect() as lazy:
        for _ in range(20):
            lazy.ask("POST", "/score", b"x")
        for _ in range(3):
            assert len(server.ask().json) == 5_000_000
        assert server.load()["served"] < 10, "replies that nobody takes are not made"
        for _ in range(20):
            assert len(lazy.reply().json) == 5_000_000


def test_a_client_that_stops_in_the_middle_of_a_request_holds_up_nobody(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as head, server.connect() as body:
        head.send(b"POST /score HT")
        body.send(b"POST /score HTTP/1.1\r\ncontent-length: 10\r\n\r\nhalf")
        assert server.ask(body="hello").json == "hello"


def test_a_client_that_leaves_while_queued_is_never_run(start: Start) -> None:
    server = start(ECHO, "serve", "--max-concurrent", "1", "--max-queue", "5").ready()
    with server.connect() as holder:
        holder.ask("POST", "/score", b"wait")
        until(lambda: server.load()["in_flight"], "a request is in_flight")
        with server.connect() as leaver:
            leaver.ask("POST", "/score", b"never")
            until(lambda: server.load()["queued"], "a request is queued")
        until(lambda: not server.load()["queued"], "the request is dropped")
        assert server.load()["in_flight"] == 1


def test_a_reply_to_a_client_that_left_while_running_goes_nowhere(start: Start) -> None:
    server = start(ECHO, "serve", "--max-concurrent", "2").ready()
    with server.connect() as leaver:
        leaver.ask("POST", "/score", b"wait")
        until(lambda: server.load()["in_flight"], "a request is in_flight")
    with server.connect() as wire:
        wire.ask("POST", "/score", b"open")
        assert wire.reply().json == "open"
    until(lambda: server.load()["served"] == 2, "both ran to their end")
    assert server.ask(body="next").json == "next"


def test_closed_connections_leave_no_descriptors(start: Start) -> None:
    server = start(ECHO).ready()
    folder = f"/proc/{server.process.pid}/fd"
    if not os.path.isdir(folder):
        pytest.skip("no /proc here to count descriptors in")
    for _ in range(100):
        server.ask(body="x")
    until(lambda: len(os.listdir(folder)) < 30, "connections leave their descriptors")


def test_old_and_closing_clients_are_told_that_the_connection_ends(start: Start) -> None:
    server = start(ECHO).ready()
    for raw in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"):
        with server.connect() as wire:
            wire.send(raw)
            reply = wire.reply()
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert wire.at_end()


def test_a_head_request_gets_no_body(start: Start) -> None:
    server = start(ECHO).ready()
    with server.connect() as wire:
        wire.ask("HEAD", "/")
        status, headers = wire.head()
        assert status == 200
        assert int(headers["content-length"]) == len(b"Healthy")
        wire.ask("GET", "/")
        assert wire.reply().body == b"Healthy"
