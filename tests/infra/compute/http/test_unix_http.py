import asyncio
import contextlib
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

from domain.ports import Break, BrokenOff, InstanceLost
from infra.compute.http import http_answer
from infra.compute.http.http_answer import ChunkReader, MalformedError, ResponseBody
from infra.compute.http.unix_connection import WHOLE
from infra.compute.http.unix_http import UnixHttp
from tests.kit.waiting import PATIENCE, eventually, patience

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """A server on a socket that does to each connection what the test says."""
    with TemporaryDirectory(prefix="mle-test-") as folder:
        path = str(Path(folder) / "s")

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_unix_server(connected, path)
        try:
            yield path
        finally:
            server.close()


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def answering(*parts: bytes, close: bool = False) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await head_of(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return serve


async def whole(body: AsyncIterator[bytes] | bytes) -> bytes:
    return body if isinstance(body, bytes) else b"".join([piece async for piece in body])


async def test_connections_are_kept_and_reused() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await head_of(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with serving(serve) as address:
        http = UnixHttp()
        for _ in range(10):
            answer = await http.request(address, "GET", "/", timeout=PATIENCE)
            assert (answer.status, answer.body) == (200, b"ok")
        assert connections == 1
        assert http.in_flight(address) == 0
        http.close()


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"he", b"llo"), b"hello"),
        ((b"HTTP/1.1 2", b"00 OK\r\ncontent-length:", b" 1\r\n\r", b"\nx"), b"x"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny",), b"y"),
        (
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r",
                b"\nab",
                b"c\r",
                b"\nA\r\n0123456789\r\n0\r\n",
                b"t: v\r\n\r\n",
            ),
            b"abc0123456789",
        ),
    ],
)
async def test_answers_are_read_however_they_are_cut(parts: tuple[bytes, ...], body: bytes) -> None:
    async with serving(answering(*parts)) as address:
        http = UnixHttp()
        for _ in range(2):
            answer = await http.request(address, "POST", "/score", [], b"{}", timeout=PATIENCE)
            assert await whole(answer.body) == body
        http.close()


async def test_any_number_of_interim_heads_may_come_before_the_answer() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 2000
    async with serving(answering(interim + b"HTTP/1.1 204 Done\r\n\r\n")) as address:
        http = UnixHttp()
        for _ in range(2):
            assert (await http.request(address, "GET", "/", timeout=PATIENCE)).status == 204
        http.close()


async def test_chunks_that_come_together_are_handed_on_together() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    tiny = b"1\r\nx\r\n" * 20_000
    async with serving(answering(head + tiny + b"0\r\n\r\n")) as address:
        http = UnixHttp()
        answer = await http.request(address, "GET", "/", timeout=PATIENCE)
        assert not isinstance(answer.body, bytes)
        pieces = [piece async for piece in answer.body]
        assert b"".join(pieces) == b"x" * 20_000
        assert len(pieces) < 2000
        http.close()


async def test_what_waits_for_a_slow_reader_is_handed_on_in_pieces_of_one_write() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    parts = [chunk] * 300
    async with serving(answering(head, *parts, b"0\r\n\r\n")) as address:
        http = UnixHttp()
        answer = await http.request(address, "GET", "/", timeout=PATIENCE)
        assert isinstance(answer.body, ResponseBody)
        body = answer.body
        await eventually(lambda: body.ended)
        pieces = [piece async for piece in body]
        assert sum(map(len, pieces)) == 300_000
        assert len(pieces) < 10
        assert max(map(len, pieces)) <= 64 * 1024
        http.close()


async def test_a_body_without_length_ends_with_the_connection() -> None:
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\nall", b" of it", close=True)) as address:
        http = UnixHttp()
        answer = await http.request(address, "GET", "/", timeout=PATIENCE)
        assert await whole(answer.body) == b"all of it"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n",
        b"x" * 70_000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2600,
    ],
)
async def test_what_is_not_http_is_refused(answer: bytes) -> None:
    async with serving(answering(answer)) as address:
        with pytest.raises(InstanceLost, match="is not HTTP"):
            await UnixHttp().request(address, "GET", "/", timeout=PATIENCE)


async def test_a_server_that_breaks_off_may_have_seen_the_request() -> None:
    async with serving(answering(close=True)) as address:
        with pytest.raises(InstanceLost) as lost:
            await UnixHttp().request(address, "POST", "/score", [], b"x", timeout=PATIENCE)
        assert lost.value.sent


@pytest.mark.parametrize("accepts", [False, True], ids=["not accepted", "accepted and not read"])
async def test_a_server_that_dies_before_it_reads_has_seen_nothing(accepts: bool) -> None:
    """Its socket takes connections until the very end of a process that dies."""
    with (
        TemporaryDirectory(prefix="mle-test-") as folder,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        address = str(Path(folder) / "s")
        listener.bind(address)
        listener.listen()
        http = UnixHttp()
        asked = asyncio.create_task(http.request(address, "POST", "/", body=b"x", timeout=PATIENCE))
        await eventually(lambda: http.in_flight(address) == 1)
        await asyncio.sleep(0)  # What was begun is written.
        if accepts:
            listener.accept()[0].close()
        listener.close()
        with pytest.raises(InstanceLost) as lost:
            await asked
    assert not lost.value.sent


async def test_an_answer_that_breaks_off_says_so() -> None:
    cut = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\nxx", close=True)
    async with serving(cut) as address:
        answer = await UnixHttp().request(address, "GET", "/", timeout=PATIENCE)
        with pytest.raises(BrokenOff, match="broke off"):
            await whole(answer.body)


@pytest.mark.parametrize(
    ("why", "dies"),
    [
        (Break.CUT_OFF, False),
        (Break.TIME_LIMIT, False),
        (Break.INSTANCE_LOST, False),
        (Break.INSTANCE_LOST, True),
    ],
)
async def test_an_answer_that_breaks_off_says_why(
    why: Break, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`timeout` is the server's own limit too: one that is over by the second piece tells. A
    server that `dies` listens yet, and answers nobody."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if begun.is_set():
            if not dies:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            return
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        begun.set()
        await go_on.wait()

    async with serving(serve) as address:
        answer = await UnixHttp().request(address, "GET", "/", timeout=PATIENCE)
        assert not isinstance(answer.body, bytes)
        assert await anext(answer.body) == b"x"
        if why is Break.INSTANCE_LOST and not dies:
            Path(address).unlink()
        if why is Break.TIME_LIMIT:
            monkeypatch.setattr(http_answer, "monotonic", lambda: math.inf)
        go_on.set()
        with pytest.raises(BrokenOff) as broken:
            await whole(answer.body)
        assert broken.value.why is why


async def test_a_connection_closed_while_idle_costs_nothing() -> None:
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    async with serving(answering(ok, close=True)) as address:
        http = UnixHttp()
        for turn in range(20):
            answer = await http.request(address, "POST", "/", [], b"x", timeout=PATIENCE)
            assert answer.body == b"ok"
            # The closing is seen after some turns: before, while and after it is asked again.
            for _ in range(turn):
                await asyncio.sleep(0)


@pytest.mark.parametrize(
    "last", [b"", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"]
)
async def test_nothing_is_sent_on_other_connections_of_a_server_that_broke_off(last: bytes) -> None:
    """A process that dies closes its connections one after the other."""
    both_asked = asyncio.Barrier(2)
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        await both_asked.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        asked.append(await head_of(reader))
        writer.write(last)

    async with serving(serve) as address:
        http = UnixHttp()
        two = (http.request(address, "GET", "/", timeout=PATIENCE) for _ in range(2))
        assert [answer.body for answer in await asyncio.gather(*two)] == [b"ok", b"ok"]
        with pytest.raises((InstanceLost, BrokenOff)):
            await whole((await http.request(address, "GET", "/dies", timeout=PATIENCE)).body)
        Path(address).unlink()
        with pytest.raises(InstanceLost) as lost:
            await http.request(address, "POST", "/next", [], b"x", timeout=PATIENCE)
        assert not lost.value.sent
        assert len(asked) == 1


async def test_a_late_head_is_a_timeout_and_a_late_rest_a_stream() -> None:
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await head_of(reader)
        if b"/part" in head:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
        await release.wait()
        writer.write(b"cd")
        await writer.drain()

    async with serving(serve) as address:
        http = UnixHttp()
        answer, timeout = None, 0.05
        while answer is None:
            # As long as this machine takes for a head, and no longer.
            with contextlib.suppress(TimeoutError):
                answer = await http.request(address, "GET", "/part", timeout=timeout)
            timeout *= 2
        with pytest.raises(TimeoutError):
            # When this is over, so would be the time of the one before.
            await http.request(address, "GET", "/none", timeout=timeout)
        release.set()
        assert await whole(answer.body) == b"abcd"


async def test_a_slow_reader_holds_the_server_back() -> None:
    size = 64 * 1024 * 1024
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await head_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with serving(serve) as address:
        answer = await UnixHttp().request(address, "GET", "/", timeout=PATIENCE)
        assert not isinstance(answer.body, bytes)
        # Both ends are in this loop: where neither has moved in so many turns, neither will.
        before, still = -1, 0
        while still < 100:
            await asyncio.sleep(0)
            before, still = sent, still + 1 if sent == before else 0
        assert sent < 4 * 1024 * 1024
        assert sum([len(piece) async for piece in answer.body]) == size


async def test_an_answer_before_the_bodys_end_ends_the_sending() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0)

    async with serving(serve) as address:
        http = UnixHttp()
        answer = await http.request(address, "POST", "/score", [], endless(), timeout=PATIENCE)
        assert answer.status == 413


async def test_a_caller_that_goes_away_closes_the_connection() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        asked.set()
        await reader.read()
        gone.set()

    async with serving(serve) as address:
        http = UnixHttp()
        asking = asyncio.create_task(http.request(address, "GET", "/", timeout=PATIENCE))
        async with patience():
            await asked.wait()
            asking.cancel()
            await gone.wait()
        assert http.in_flight(address) == 0


async def test_headers_that_could_smuggle_are_not_sent() -> None:
    with pytest.raises(InstanceLost, match="line break"):
        await UnixHttp().request("/x", "GET", "/", [("a", "b\r\nc: d")], timeout=1)


async def test_the_number_of_connections_is_bounded() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(serve) as address:
        http = UnixHttp(max_open=2)
        waiting = [
            asyncio.create_task(http.request(address, "GET", "/", timeout=PATIENCE))
            for _ in range(2)
        ]
        await eventually(lambda: http.in_flight(address) == 2)
        with pytest.raises(InstanceLost) as lost:
            await http.request(address, "GET", "/", timeout=PATIENCE)
        assert not lost.value.sent
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


class _Together:
    """A server that answers once all of a round have asked; counts its connections."""

    def __init__(self) -> None:
        self.made = self.open = 0
        self.wanted = 0
        self._asked: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.made += 1
        self.open += 1
        try:
            while await head_of(reader):
                self._asked.append(writer)
                if len(self._asked) == self.wanted:
                    for each in self._asked:
                        each.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    self._asked.clear()
        finally:
            self.open -= 1

    async def ask(self, http: UnixHttp, address: str, at_once: int) -> None:
        self.wanted = at_once
        asked = (http.request(address, "GET", "/", timeout=PATIENCE) for _ in range(at_once))
        await asyncio.gather(*asked)


async def test_as_many_connections_are_kept_as_are_in_use_now_and_then() -> None:
    server = _Together()
    async with serving(server.serve) as address:
        http = UnixHttp(max_idle=1, spare_for=PATIENCE)
        for _ in range(5):
            await server.ask(http, address, 8)
        assert server.made == 8
        http.close()


async def test_of_connections_that_nothing_needed_for_a_time_few_are_kept() -> None:
    server = _Together()
    async with serving(server.serve) as address:
        http = UnixHttp(max_idle=2, spare_for=0.01)
        await server.ask(http, address, 8)
        await eventually(lambda: server.open == 2)
        await server.ask(http, address, 2)
        assert server.made == 8
        http.close()


def test_chunks_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(MalformedError):
        ChunkReader().read(b"2\r\nabc\r\n")


class CountedBytes(bytes):
    """Tells how many bytes were taken out of it, and out of what was taken."""

    taken: ClassVar[int] = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return self._counted(found) if isinstance(found, bytes) else found

    def partition(self, separator: Any) -> Any:
        return tuple(map(self._counted, super().partition(separator)))

    def _counted(self, found: bytes) -> "CountedBytes":
        CountedBytes.taken += len(found)
        return CountedBytes(found)


def test_reading_chunks_copies_each_byte_but_a_few_times_however_small_they_are() -> None:
    tiny = b"1\r\nx\r\n" * 1000 + b"0\r\n" + b"t: v\r\n" * 1000 + b"\r\nrest"
    CountedBytes.taken = 0
    chunks = ChunkReader()
    assert b"".join(chunks.read(CountedBytes(tiny))) == b"x" * 1000
    assert chunks.ended
    assert chunks.left == b"rest"
    assert CountedBytes.taken <= 3 * len(tiny)


def read_in_parts(chunks: ChunkReader, told: bytes, size: int) -> bytes:
    parts = (told[at : at + size] for at in range(0, len(told), size))
    return b"".join(piece for part in parts for piece in chunks.read(part))


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 64])
def test_chunks_are_read_wherever_they_are_cut(cut: int) -> None:
    told = b"".join(b"%x;a=b\r\n%b\r\n" % (n, b"y" * n) for n in range(1, 40))
    told += b"0\r\nt: v\r\n\r\n"
    chunks = ChunkReader()
    assert read_in_parts(chunks, told, cut) == b"y" * sum(range(1, 40))
    assert chunks.ended


@pytest.mark.parametrize("line", [b"0\r\n" + b"t: v\r\n" * 40_000, b"1;" + b"x" * 70_000])
def test_a_chunks_head_and_the_trailer_have_an_end(line: bytes) -> None:
    with pytest.raises(MalformedError):
        ChunkReader().read(line)
    with pytest.raises(MalformedError):
        read_in_parts(ChunkReader(), line, 1000)


def test_small_bodies_are_those_up_to_a_quarter_of_a_mebibyte() -> None:
    assert WHOLE == 256 * 1024
