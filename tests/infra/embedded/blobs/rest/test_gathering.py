"""The files of a mini-batch in one request, as workers ask for them and the door gives them."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.blobs.rest import gathering
from infra.embedded.blobs.rest.requests import PREFIX
from runtime.batch.inputs import Input, InputChanged, InputUnreadable, local_paths
from runtime.batch.store import web
from tests.infra.embedded.blobs.rest.conftest import Signed
from tests.kit.stages.door_stage import DoorServer
from tests.kit.waiting import PATIENCE

HEAD = struct.Struct(">IQ")
MANY = json.dumps({"blobs": [{"target": "/blobs/a/b"}] * 257}).encode()


@pytest.fixture(autouse=True)
def offered(door: DoorServer) -> Iterator[None]:
    """Units came with an authority: their store is a host's."""
    web.believe("of a host")
    door.asked.clear()
    yield
    web.believe("")


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=PATIENCE) as client:
        yield client


def written(store: FileBlobStore, door: DoorServer, **contents: bytes) -> None:
    for name, content in contents.items():
        door.run(store.write("box", f"{name}.csv", content))


def lent(signed: Signed, *names: str) -> list[Input]:
    return [Input(name, signed(name, "r")) for name in names]


def test_a_mini_batch_is_read_by_one_request(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    written(store, door, a=b"1", b=b"", c=b"x" * 300_000)
    with local_paths(lent(signed, "a.csv", "b.csv", "c.csv")) as paths:
        assert [Path(each).name for each in paths] == ["a.csv", "b.csv", "c.csv"]
        assert [Path(each).read_bytes() for each in paths] == [b"1", b"", b"x" * 300_000]
    assert door.asked == {gathering.PATH: 1}
    assert not Path(paths[0]).exists()


def test_what_is_too_much_for_one_answer_comes_with_the_next(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    many = {f"f{number}": bytes([number]) * 900_000 for number in range(9)}
    written(store, door, **many, large=b"y" * (1 << 20) + b"z")
    names = [f"{name}.csv" for name in (*many, "large")]
    with local_paths(lent(signed, *names)) as paths:
        sizes = [Path(each).stat().st_size for each in paths]
        assert sizes == [900_000] * 9 + [(1 << 20) + 1]
        assert Path(paths[8]).read_bytes() == many["f8"]
    assert door.asked == {gathering.PATH: 2, PREFIX: 1}, "the large one is asked for by itself"


def test_files_of_one_name_are_apart(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    written(store, door, a=b"1", b=b"2")
    inputs = [Input(f"{n}/x.csv", signed(f"{n}.csv", "r")) for n in "ab"]
    with local_paths(inputs) as paths:
        assert [Path(each).name for each in paths] == ["x.csv", "x.csv"]
        assert [Path(each).read_bytes() for each in paths] == [b"1", b"2"]


def test_one_that_is_another_than_was_meant_says_so(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    written(store, door, a=b"1", b=b"2")
    inputs = [*lent(signed, "a.csv"), Input("b.csv", signed("b.csv", "r"), etag='"0x0"')]
    with pytest.raises(InputChanged, match=r"b\.csv"), local_paths(inputs):
        pass
    with (
        pytest.raises(InputUnreadable, match=r"gone\.csv could not be downloaded"),
        local_paths(lent(signed, "a.csv", "gone.csv")),
    ):
        pass


def test_one_that_is_not_lent_is_nobody_s_to_read(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    written(store, door, a=b"1", b=b"2")
    inputs = [
        *lent(signed, "a.csv"),
        Input("b.csv", signed("a.csv", "r").replace("a.csv", "b.csv")),
    ]
    with pytest.raises(InputUnreadable, match="403"), local_paths(inputs):
        pass


def test_a_store_that_does_not_offer_it_is_asked_for_each(
    door: DoorServer, store: FileBlobStore, signed: Signed
) -> None:
    written(store, door, a=b"1", b=b"2")
    web.believe("")
    with local_paths(lent(signed, "a.csv", "b.csv")) as paths:
        assert [Path(each).read_bytes() for each in paths] == [b"1", b"2"]
    assert door.asked == {PREFIX: 2}


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"blobs": []}', b'{"blobs": 3}', b"[" * 100_000, b"\xff", MANY],
)
def test_what_asks_for_nothing_is_refused(
    door: DoorServer, store: FileBlobStore, client: httpx.Client, body: bytes
) -> None:
    answer = client.post(door.url + gathering.PATH, content=body)
    assert answer.status_code == 400


def test_only_what_is_asked_for_rightly_is_answered(
    door: DoorServer, store: FileBlobStore, signed: Signed, client: httpx.Client
) -> None:
    written(store, door, a=b"1")

    def asked(*targets: object) -> httpx.Response:
        blobs = [{"target": target} if isinstance(target, str) else target for target in targets]
        body = json.dumps({"blobs": blobs})
        return client.post(door.url + gathering.PATH, content=body)

    good = signed("a.csv", "r").removeprefix(door.url)
    others = [good + "&comp=metadata", "/gathered", "/blobs/box", signed().removeprefix(door.url)]
    others += [signed("a.csv", "w").removeprefix(door.url), good.replace("/blobs/", "/other/")]
    for other in [*others, 5, None, {"target": None}]:
        alone = asked(other)
        assert alone.status_code in (400, 403)
        beside = asked(other, good)
        assert beside.status_code == 200
        status, length = HEAD.unpack_from(beside.content)
        assert (status, length) == (alone.status_code, 0)
        assert beside.content[HEAD.size :] == HEAD.pack(200, 1) + b"1"
    assert client.get(door.url + gathering.PATH).status_code == 405
    large = client.post(door.url + gathering.PATH, content=b" " * 300_000)
    assert large.status_code == 413
