"""Answers that come piece by piece: what is sent, what breaks off, and what the log says of it."""

from pathlib import Path

import pytest

from tests.kit.waiting import until
from tests.runtime.harness import Server, Start, Wire

STREAMS = """
    import asyncio, threading, time

    class Response:
        def __init__(self, body, status_code=200, kind="text/event-stream"):
            self.body = body
            self.status_code = status_code
            self.headers = {"content-type": kind}

    told = []
    gate = threading.Event()

    def init():
        pass

    def tokens():
        yield "one "
        yield "two"

    async def later(items=("one ", "two")):
        for item in items:
            await asyncio.sleep(0)
            yield item

    def early():
        raise ValueError("early")
        yield

    async def early_too():
        raise ValueError("early")
        yield

    def broken():
        yield "one"
        raise ValueError("late")

    async def broken_too():
        yield "one"
        raise ValueError("late")

    def badly_closed():
        try:
            yield "one"
            yield object()
        finally:
            raise ValueError("closing")

    def hanging():
        yield "one"
        gate.wait()
        yield "two"

    async def hanging_too():
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            told.append("closed")

    async def never():
        try:
            await asyncio.Event().wait()
            yield "one"
        finally:
            told.append("closed")

    def slow(pieces):
        for _ in range(pieces):
            time.sleep(0.05)
            yield "."

    def endless():
        while True:
            yield "." * 1000

    def fast(pieces, then=None):
        for number in range(pieces):
            yield f"{number} "
        if then == "wait":
            gate.wait()
        if then == "raise":
            raise ValueError("late")

    async def fast_too(*arguments):
        for piece in fast(*arguments):
            yield piece

    def counted():
        while True:
            told.append(1)
            yield "." * 1000

    async def counted_too():
        for piece in counted():
            yield piece
            await asyncio.sleep(0)

    class Streamer:
        def __iter__(self):
            return self
        def __next__(self):
            if len(told) == 2:
                raise StopIteration
            told.append(1)
            return {"n": len(told)}

    def run(data):
        return eval(data)
"""
AT_ONCE = ("--max-concurrent", "4")
IDS = {"x-request-id": "r-17"}


def asked(server: Server, expression: str) -> Wire:
    wire = server.connect()
    wire.ask("POST", "/score", expression.encode(), IDS)
    return wire


def until_broken(wire: Wire) -> bytes:
    """Every byte of the body, framing included, of an answer that breaks off."""
    rest = b""
    try:
        while True:
            rest += wire.exactly(1)
    except ConnectionError:
        return rest


@pytest.mark.parametrize("expression", ["hanging()", "hanging_too()", "Response(hanging_too())"])
def test_a_stream_that_stops_is_cut_off_after_its_limit_and_nothing_else_is_written(
    start: Start, expression: str
) -> None:
    server = start(STREAMS, "serve", *AT_ONCE, "--timeout-ms", "200").ready()

    def cut() -> bytes | None:
        """On a machine that stands still the limit passes before the first byte."""
        wire = asked(server, expression)
        return until_broken(wire) if wire.head()[0] == 200 else wire.exactly(1) and None

    assert until(cut) == b"3\r\none\r\n"
    told = "the answer broke off: nothing more came for 200 ms (requestTimeout)"
    line = ("r-17", f"[ml-endpoints] {told}")
    until(lambda: line in server.lines, "the log says so")
    assert server.lines.count(line) == 1
    assert "Traceback" not in server.log
    server.ask(body="gate.set()")
    until(lambda: server.load()["in_flight"] == 0, "the worker is free again")
    assert server.load()["failed"] >= 1


def test_a_stream_may_take_longer_than_its_limit_from_piece_to_piece(start: Start) -> None:
    server = start(STREAMS, "serve", "--timeout-ms", "1000").ready()

    def whole() -> bool:
        wire = asked(server, "slow(30)")
        try:
            return wire.reply().body == b"." * 30
        except ConnectionError:
            return False  # a pause of the machine's own

    assert until(whole)


def numbers(pieces: int) -> bytes:
    return b"".join(b"%d " % number for number in range(pieces))


@pytest.mark.parametrize("fast", ["fast", "fast_too"])
def test_pieces_that_come_fast_come_in_order_and_the_last_needs_no_next(
    start: Start, fast: str
) -> None:
    server = start(STREAMS, "serve", *AT_ONCE).ready()
    with asked(server, f"{fast}(5000)") as whole, asked(server, "fast(500, 'wait')") as waiting:
        assert whole.reply().body == numbers(5000)
        waiting.head()
        came = b""
        while came != numbers(500):
            came += waiting.chunk()
            assert numbers(500).startswith(came)
        server.ask(body="gate.set()")
        assert waiting.chunk() == b""


@pytest.mark.parametrize("fast", ["fast", "fast_too"])
def test_what_came_fast_before_a_stream_raised_is_there(start: Start, fast: str) -> None:
    server = start(STREAMS).ready()
    wire = asked(server, f"{fast}(500, 'raise')")
    assert wire.head()[0] == 200
    framed = b"".join(b"%x\r\n%d \r\n" % (len(f"{n} "), n) for n in range(500))
    assert until_broken(wire) == framed
    told = f"broke off after {len(numbers(500))} bytes: ValueError: late"
    until(lambda: told in server.log, "the log says so")


@pytest.mark.parametrize("counted", ["counted()", "counted_too()"])
def test_who_reads_nothing_of_a_fast_stream_has_its_script_wait(start: Start, counted: str) -> None:
    server = start(STREAMS, "serve", *AT_ONCE).ready()
    with asked(server, counted) as wire:
        wire.head()

        def stands() -> bool:
            before = server.ask(body="len(told)").json
            return bool(before == until(lambda: server.ask(body="len(told)").json))

        until(stands)
        assert server.ask(body="len(told)").json < 2000, "sockets have no room for more"
        for _ in range(2000):
            assert len(wire.chunk()) == 1000


def test_a_stream_of_more_than_the_longest_is_cut_off(start: Start) -> None:
    server = start(STREAMS, env={"ML_ENDPOINTS_MAX_STREAM_SECONDS": "1"}).ready()
    wire = asked(server, "endless()")
    assert wire.head()[0] == 200
    assert not until_broken(wire).endswith(b"0\r\n\r\n")
    told = "it took longer than 1 s (ML_ENDPOINTS_MAX_STREAM_SECONDS)"
    until(lambda: told in server.log, "the log says so")
    assert server.load()["failed"] == 1


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "for ever", "604801"])
def test_a_longest_that_is_no_number_of_seconds_is_refused(start: Start, limit: str) -> None:
    server = start(STREAMS, env={"ML_ENDPOINTS_MAX_STREAM_SECONDS": limit})
    assert server.exit_code() == 3
    assert "ML_ENDPOINTS_MAX_STREAM_SECONDS" in server.log


@pytest.mark.parametrize("expression", ["broken()", "broken_too()", "Response(broken_too())"])
def test_a_stream_that_raises_is_cut_off_and_told_once(start: Start, expression: str) -> None:
    server = start(STREAMS).ready()
    wire = asked(server, expression)
    assert wire.head()[0] == 200
    assert until_broken(wire) == b"3\r\none\r\n"
    line = ("r-17", "[ml-endpoints] the answer broke off after 3 bytes: ValueError: late")
    until(lambda: line in server.lines, "the log says so")
    assert server.log.count("Traceback") == 1
    assert "runtime" not in server.log
    assert "concurrent" not in server.log
    assert server.load()["failed"] == 1


def test_a_stream_that_raises_when_it_is_closed_writes_nothing_more(start: Start) -> None:
    server = start(STREAMS).ready()
    wire = asked(server, "badly_closed()")
    assert wire.head()[0] == 200
    assert until_broken(wire) == b"3\r\none\r\n"
    until(lambda: "closing its stream raised ValueError: closing" in server.log)


@pytest.mark.parametrize(
    "expression", ["early()", "early_too()", "Response(early())", "Response(early_too())"]
)
def test_a_stream_that_raises_at_once_is_a_500_as_for_any_exception(
    start: Start, expression: str
) -> None:
    server = start(STREAMS).ready()
    reply = server.ask(body=expression)
    assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (500, "True")
    assert server.log.count("Traceback") == 1
    assert "run() raised ValueError: early" in server.log


@pytest.mark.parametrize("expression", ["Response(7)", "Response(later((object(),)))"])
def test_a_response_that_cannot_be_sent_is_a_500_that_says_so(
    start: Start, expression: str
) -> None:
    reply = start(STREAMS).ready().ask(body=expression)
    assert reply.status == 500
    assert "of type" in reply.json["message"]


def test_a_stream_without_a_first_piece_in_time_is_a_500(start: Start) -> None:
    server = start(STREAMS, "serve", *AT_ONCE, "--timeout-ms", "200").ready()
    assert server.ask(body="never()").status == 500
    until(lambda: server.load()["in_flight"] == 0, "its worker is free: what it awaited is ended")
    assert until(lambda: (r := server.ask(body="told")).status == 200 and r.json) == ["closed"]


def test_an_async_stream_ends_when_its_caller_leaves(start: Start) -> None:
    server = start(STREAMS, "serve", *AT_ONCE).ready()
    with asked(server, "hanging_too()") as wire:
        assert wire.head()[0] == 200
        assert wire.chunk() == b"one"
    until(lambda: server.ask(body="told").json == ["closed"])
    line = ("r-17", "[ml-endpoints] its caller left after 3 bytes of the answer")
    until(lambda: line in server.lines, "the log says so")
    assert "Traceback" not in server.log
    assert server.load()["failed"] == 0


def test_a_sync_stream_ends_with_its_next_piece_when_its_caller_has_left(start: Start) -> None:
    server = start(STREAMS, "serve", *AT_ONCE).ready()
    with asked(server, "endless()") as wire:
        wire.head()
        wire.chunk()
    until(lambda: "its caller left after" in server.log, "the log says so")
    until(lambda: server.load()["in_flight"] == 0, "the worker is free")
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("items", "kind", "body"),
    [
        (["a", b"b"], "text/plain; charset=utf-8", b"ab"),
        ([b"a", "b"], "application/octet-stream", b"ab"),
        ([{"a": "b\n"}, None, "c"], "application/x-ndjson", b'{"a": "b\\n"}\nnull\n"c"\n'),
        ([None], "application/x-ndjson", b"null\n"),
        ([], "text/plain; charset=utf-8", b""),
    ],
)
@pytest.mark.parametrize("form", ["iter({!r})", "(x for x in {!r})", "later({!r})"])
def test_the_first_item_says_what_a_stream_is_of(
    start: Start, items: object, kind: str, body: bytes, form: str
) -> None:
    reply = start(STREAMS).ready().ask(body=form.format(items))
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, kind, body)


def test_any_iterator_streams(start: Start) -> None:
    reply = start(STREAMS).ready().ask(body="Streamer()")
    assert reply.body == b'{"n": 1}\n{"n": 2}\n'


def test_an_item_of_another_kind_cuts_the_stream_off_by_name(start: Start) -> None:
    server = start(STREAMS).ready()
    wire = asked(server, "iter(['a', {'b': 1}])")
    assert wire.head()[0] == 200
    assert until_broken(wire) == b"1\r\na\r\n"
    until(lambda: "An item of run()'s stream, of type dict, cannot be sent" in server.log)


@pytest.mark.parametrize(
    ("kind", "items", "body"),
    [
        ("text/event-stream", ["data: 1\n\n", {"t": "a"}], b'data: 1\n\ndata: {"t": "a"}\n\n'),
        ("application/x-ndjson", ['{"a": 1}\n', {"a": 2}], b'{"a": 1}\n{"a": 2}\n'),
        ("text/csv", ["a,b\n", b"1,2\n"], b"a,b\n1,2\n"),
    ],
)
@pytest.mark.parametrize("form", ["iter({!r})", "later({!r})"])
def test_a_script_names_the_content_type_of_its_streams(
    start: Start, kind: str, items: object, body: bytes, form: str
) -> None:
    text = f"{STREAMS}\n    STREAM_CONTENT_TYPE = {kind!r}\n"
    server = start(text).ready()
    reply = server.ask(body=form.format(items))
    assert (reply.headers["content-type"], reply.body) == (kind, body)
    assert server.ask(body="1").headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", ["7", "'text/plain\\r\\nx: y'", "'h\\xf6'"])
def test_what_is_no_content_type_is_refused(start: Start, kind: str) -> None:
    server = start(f"{STREAMS}\n    STREAM_CONTENT_TYPE = {kind}\n")
    assert server.exit_code() == 3
    assert "STREAM_CONTENT_TYPE" in server.log


def test_a_status_without_a_body_has_none(start: Start) -> None:
    with start(STREAMS).ready().connect() as wire:
        for _ in range(2):
            wire.ask("POST", "/score", b"Response(later(), 204)")
            status, headers = wire.head()
            assert (status, headers.get("transfer-encoding")) == (204, None)


FLASK = """
    import asyncio
    from azureml_inference_server_http.api.aml_response import AMLResponse

    closed = []

    def init():
        pass

    def tokens():
        yield "data: one\\n\\n"
        yield "data: two\\n\\n"

    async def later():
        yield "data: one\\n\\n"
        await asyncio.sleep(0)
        yield {"two": 2}

    async def early():
        raise ValueError("early")
        yield

    def answer(items, status=200):
        response = AMLResponse(items, status, {"Content-Type": "text/event-stream"})
        response.call_on_close(lambda: closed.append(status))
        return response

    def run(data):
        return eval(data)
"""


def test_an_aml_response_takes_a_generator_of_either_kind(
    start: Start, inference_python: Path
) -> None:
    server = start(FLASK, python=inference_python).ready()
    reply = server.ask(body="answer(tokens())")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream")
    assert reply.body == b"data: one\n\ndata: two\n\n"
    reply = server.ask(body="answer(later(), 201)")
    assert (reply.status, reply.headers["content-type"]) == (201, "text/event-stream")
    assert reply.body == b'data: one\n\ndata: {"two": 2}\n\n'
    until(lambda: server.ask(body="closed").json == [200, 201])
    assert server.ask(body="answer(tokens(), 204)").status == 204
    for mistake in ("answer(early())", "answer(7)", "answer([1])"):
        reply = server.ask(body=mistake)
        assert (reply.status, reply.headers["x-ms-run-function-failed"]) == (500, "True"), mistake
        assert reply.json["message"]
