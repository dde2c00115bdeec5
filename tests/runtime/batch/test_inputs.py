"""What a worker hands to run(): whole files, and pieces of no more than was asked for."""

import io
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from runtime.batch import row_slices
from runtime.batch.inputs import (
    Input,
    InputChanged,
    InputUnreadable,
    Piece,
    check,
    local_paths,
    parse,
    seen,
)
from runtime.batch.rows import Form, render
from runtime.batch.store.lent_files import LentFile, NotLent
from tests.kit.web_server import WebServer, web_server

CSV = b"\xef\xbb\xbfh,i\n" + b"".join(b"%d,x\n" % n for n in range(1000))
Serve = Callable[[bytes], str]


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture(params=["file", "web"])
def serve(request: pytest.FixtureRequest, tmp_path: Path, server: WebServer) -> Serve:
    """Lends content and gives its URL."""

    def by_file(content: bytes) -> str:
        (tmp_path / "lent").write_bytes(content)
        return (tmp_path / "lent").as_uri()

    def by_web(content: bytes) -> str:
        server.parts.clear()
        return server.ranges("/lent", content) + "?sig=s3cret"

    return by_file if request.param == "file" else by_web


def table(rows: int, groups: int) -> bytes:
    file = io.BytesIO()
    values = pa.table({"n": list(range(rows)), "t": [f"t{n}" for n in range(rows)]})
    parquet.write_table(values.replace_schema_metadata({"who": "me"}), file, row_group_size=groups)
    return file.getvalue()


def test_a_piece_of_text_is_its_header_and_its_rows_under_the_files_name(serve: Serve) -> None:
    at = CSV.index(b"\n500,x") + 1
    source = Input("deep/data.csv", serve(CSV), Piece(500, 2, at, 12, 7))
    with local_paths([source]) as [path]:
        assert os.path.basename(path) == "data.csv"
        assert Path(path).read_bytes() == b"\xef\xbb\xbfh,i\n500,x\n501,x\n"
    assert not os.path.exists(path)


def test_a_piece_by_url_asks_for_its_range_alone(server: WebServer) -> None:
    server.parts.clear()
    url = server.ranges("/lent", CSV)
    with local_paths([Input("a.csv", url, Piece(0, 1, 7, 4, 7))]):
        assert server.parts == [(0, 7), (7, 4)]


def test_two_pieces_of_one_base_name_do_not_meet(serve: Serve) -> None:
    url = serve(CSV)
    pieces = [Input(f"{n}/a.csv", url, Piece(n, 1, 7 + 4 * n, 4, 7)) for n in range(2)]
    with local_paths(pieces) as paths:
        assert [Path(p).read_bytes()[7:] for p in paths] == [b"0,x\n", b"1,x\n"]


@pytest.mark.parametrize(
    ("first", "rows"), [(0, 1), (0, 100), (99, 1), (7, 5), (9, 2), (10, 10), (15, 40)]
)
def test_rows_of_a_table_are_a_table_with_its_schema(serve: Serve, first: int, rows: int) -> None:
    source = Input("x/data.parquet", serve(table(100, 10)), Piece(first, rows, 0, 0, 0))
    with local_paths([source]) as [path]:
        found = parquet.read_table(path)
        assert os.path.basename(path) == "data.parquet"
    assert found.column("n").to_pylist() == list(range(first, first + rows))
    assert found.column("t").to_pylist() == [f"t{n}" for n in range(first, first + rows)]
    assert found.schema.metadata[b"who"] == b"me"


def test_a_piece_that_is_not_there_any_more_is_an_error_that_names_the_file(serve: Serve) -> None:
    url = serve(CSV)
    for piece in (Piece(0, 1, len(CSV) - 2, 4, 0), Piece(0, 1, 7, 4, len(CSV) + 1)):
        with pytest.raises(InputUnreadable, match=r"^a\.csv could not be .*ended after"):
            read(Input("a.csv", url, piece))
    with pytest.raises(InputUnreadable, match=r"^b\.parquet has rows that could not be read"):
        read(Input("b.parquet", url, Piece(0, 1, 0, 0, 0)))
    with pytest.raises(InputUnreadable, match=r"lacks 5 of the 10 rows from row 95 on"):
        read(Input("b.parquet", serve(table(100, 10)), Piece(95, 10, 0, 0, 0)))


def test_a_store_that_knows_no_ranges_is_an_error_and_a_signature_stays_secret(
    server: WebServer,
) -> None:
    url = server.file("/whole", CSV) + "?sig=s3cret"
    for name, piece in (("a.csv", Piece(0, 1, 7, 4, 7)), ("b.parquet", Piece(0, 1, 0, 0, 0))):
        with pytest.raises(InputUnreadable, match="answered 200") as caught:
            read(Input(name, url, piece))
        assert "s3cret" not in str(caught.value)


def test_a_download_that_breaks_off_is_no_file(server: WebServer) -> None:
    def torn(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("content-length", "100")
        request.end_headers()
        request.wfile.write(b"x" * 10)

    server.answers["/torn"] = torn
    with pytest.raises(InputUnreadable, match=r"^a\.csv could not be downloaded"):
        read(Input("a.csv", server.url + "/torn"))


@pytest.mark.parametrize("trouble", ["busy", "fails", "breaks off", "hangs up"])
def test_a_store_that_is_in_trouble_once_costs_no_try_of_the_script(
    server: WebServer, trouble: str
) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if len(asked) == 1 and trouble == "hangs up":
            request.close_connection = True
            return
        busy = {"busy": 503, "fails": 500}.get(trouble) if len(asked) == 1 else None
        request.send_response(busy or 200)
        request.send_header("content-length", str(len(CSV)))
        request.end_headers()
        torn = len(asked) == 1
        request.wfile.write(CSV[:100] if torn else CSV)
        request.close_connection = torn

    server.answers["/troubled"] = answer
    with local_paths([Input("a.csv", server.url + "/troubled")]) as [path]:
        assert Path(path).read_bytes() == CSV
    assert len(asked) == 2


def test_without_pyarrow_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(NotLent, match="add it to the conda file"):
        row_slices.copy_rows(LentFile((tmp_path / "a.parquet").as_uri()), 0, 1, "unused")


def test_an_input_is_read_from_its_request() -> None:
    piece = {"first_row": 3, "rows": 2, "offset": 30, "length": 20, "header": 4}
    assert parse({"name": "a", "url": "file:///a", "piece": piece}).first_row == 3
    assert parse({"name": "a", "url": "file:///a", "piece": None}) == Input("a", "file:///a")
    for wrong in ({}, {"name": "a"}, {"name": "a", "url": "u", "piece": {"rows": 1}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            parse(wrong)


@pytest.mark.parametrize(
    "result",
    [
        ["x", "y"],
        [{"prediction": "x"}, {"prediction": "y"}],
        [{"prediction": "x", "input_row": 0}, {"prediction": "y", "input_row": 1}],
        [[{"prediction": "x", "input_file": "a.csv"}, {"prediction": "y", "input_file": "a.csv"}]],
    ],
)
def test_rows_of_a_piece_are_numbered_as_those_of_the_file(result: list[object]) -> None:
    source = Input("d/a.csv", "file:///t/a.csv", Piece(500, 2, 9, 9, 9))
    lines = render(result, [source], ["/t/a.csv"], Form("csv")).content.decode().splitlines()
    assert [line.split(",")[:2] for line in lines] == [["d/a.csv", "500"], ["d/a.csv", "501"]]


def read(source: Input) -> None:
    with local_paths([source]):
        raise AssertionError("it was read")


def test_a_file_that_is_lent_is_read_where_it_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a b.csv"
    file.write_bytes(b"1")
    found = file.stat()
    etag = f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}"'
    told = {"name": "a b.csv", "url": "https://elsewhere/a", "etag": etag, "lent": file.as_uri()}
    source = seen(parse(told))
    with local_paths([source]) as [path]:
        assert path == str(file)
    check([source])
    file.write_bytes(b"12")
    with pytest.raises(InputChanged):
        check([source])


@pytest.mark.parametrize(
    "change", [{"etag": '"0x1-1-1"'}, {"etag": ""}, {"lent": "file:///not/there"}, {"lent": "x"}]
)
def test_a_file_that_is_not_seen_as_it_is_meant_is_fetched(
    tmp_path: Path, change: dict[str, str]
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"1")
    found = file.stat()
    etag = f'"0x{found.st_ino:X}-{found.st_mtime_ns:X}-{found.st_size:X}"'
    told = {"name": "a.csv", "url": "https://elsewhere/a", "etag": etag, "lent": file.as_uri()}
    assert seen(parse({**told, **change})).url == "https://elsewhere/a"
