"""The contract of domain.ports.ResourceStore."""

import asyncio

import pytest

from domain import errors
from domain.ports import Create, Delete, Document, Json, Replace, ResourceStore
from tests.kit.newer_process import newer_process


def body(**fields: object) -> Json:
    return {"kind": "Thing", **fields}


async def created(
    store: ResourceStore, id: str = "a", partition: str = "p", **fields: object
) -> Document:
    (document,) = await store.transact(partition, [Create(id, body(**fields))])
    assert document is not None
    return document


async def everything(
    store: ResourceStore, *, page_size: int, descending: bool = False
) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    continuation = None
    while True:
        page = await store.query(
            "Thing", page_size=page_size, continuation=continuation, descending=descending
        )
        assert len(page.documents) <= page_size
        seen += [(document.partition, document.id) for document in page.documents]
        continuation = page.continuation
        if continuation is None:
            return seen


async def test_what_is_created_can_be_read(store: ResourceStore) -> None:
    text = 'naïve "quoted" \u2028 \U0001f600 \\ /'
    written = await created(store, text=text, deep={"a": [1, 2.5, None, True]})
    read = await store.get("p", "a")
    assert read == written
    assert read.body == body(text=text, deep={"a": [1, 2.5, None, True]})
    assert read.due_at is None


async def test_reading_what_is_not_there_is_refused(store: ResourceStore) -> None:
    await created(store)
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "b")
    with pytest.raises(errors.DocumentNotFound):
        await store.get("q", "a")


async def test_creating_twice_conflicts_and_keeps_the_first(store: ResourceStore) -> None:
    first = await created(store, n=1)
    with pytest.raises(errors.DocumentExists):
        await created(store, n=2)
    assert await store.get("p", "a") == first


async def test_a_partition_is_a_namespace_of_its_own(store: ResourceStore) -> None:
    one = await created(store, partition="p", n=1)
    two = await created(store, partition="q", n=2)
    assert (await store.get("p", "a")).body == one.body
    assert (await store.get("q", "a")).body == two.body


async def test_a_stale_etag_is_refused(store: ResourceStore) -> None:
    first = await created(store, n=1)
    await store.transact("p", [Replace("a", body(n=2), first.etag)])
    with pytest.raises(errors.StaleETag):
        await store.transact("p", [Replace("a", body(n=3), first.etag)])
    with pytest.raises(errors.StaleETag):
        await store.transact("p", [Delete("a", first.etag)])
    assert (await store.get("p", "a")).body == body(n=2)


async def test_without_an_etag_the_last_writer_wins(store: ResourceStore) -> None:
    await created(store, n=1)
    await store.transact("p", [Replace("a", body(n=2), None)])
    assert (await store.get("p", "a")).body == body(n=2)
    await store.transact("p", [Delete("a")])
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "a")


async def test_replacing_or_deleting_what_is_not_there_is_refused(store: ResourceStore) -> None:
    for write in (Replace("a", body(), None), Replace("a", body(), "x"), Delete("a")):
        with pytest.raises(errors.DocumentNotFound):
            await store.transact("p", [write])


async def test_every_write_brings_a_new_etag_even_after_recreation(store: ResourceStore) -> None:
    etags = {(await created(store)).etag}
    for _ in range(3):
        (replaced,) = await store.transact("p", [Replace("a", body(), None)])
        assert replaced is not None
        etags.add(replaced.etag)
    await store.transact("p", [Delete("a")])
    recreated = await created(store)
    etags.add(recreated.etag)
    assert len(etags) == 5


async def test_of_racing_writers_on_one_etag_exactly_one_wins(store: ResourceStore) -> None:
    first = await created(store, n=0)
    outcomes = await asyncio.gather(
        *[store.transact("p", [Replace("a", body(n=n), first.etag)]) for n in range(1, 11)],
        return_exceptions=True,
    )
    won = [n for n, outcome in enumerate(outcomes, 1) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert sum(isinstance(outcome, errors.StaleETag) for outcome in outcomes) == 9
    assert (await store.get("p", "a")).body == body(n=won[0])


async def test_of_racing_creators_exactly_one_wins(store: ResourceStore) -> None:
    outcomes = await asyncio.gather(
        *[store.transact("p", [Create("a", body(n=n))]) for n in range(10)],
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, errors.DocumentExists) for outcome in outcomes) == 9


async def test_a_transaction_is_all_or_nothing(store: ResourceStore) -> None:
    first = await created(store, "a", n=1)
    await created(store, "b", n=1)
    with pytest.raises(errors.StaleETag):
        await store.transact(
            "p",
            [
                Replace("a", body(n=2), first.etag),
                Create("c", body()),
                Delete("b", "not its ETag"),
            ],
        )
    assert await store.get("p", "a") == first
    assert (await store.get("p", "b")).body == body(n=1)
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "c")


async def test_a_transaction_answers_in_order(store: ResourceStore) -> None:
    await created(store, "a")
    await created(store, "b")
    answer = await store.transact(
        "p",
        [Create("c", body(n=1), due_at=5.0), Delete("a"), Replace("b", body(n=2), None)],
    )
    assert answer == [await store.get("p", "c"), await store.get("p", "b")]


async def test_a_transaction_of_one_hundred_writes_is_taken(store: ResourceStore) -> None:
    answer = await store.transact("p", [Create(f"{n:03}", body()) for n in range(100)])
    assert len(answer) == 100


@pytest.mark.parametrize("count", [0, 101])
async def test_a_transaction_of_another_size_is_refused(store: ResourceStore, count: int) -> None:
    with pytest.raises(errors.Invalid):
        await store.transact("p", [Create(f"{n:03}", body()) for n in range(count)])


async def test_an_id_named_twice_in_a_transaction_is_refused(store: ResourceStore) -> None:
    with pytest.raises(errors.Invalid):
        await store.transact("p", [Create("a", body()), Delete("a")])


@pytest.mark.parametrize("id", ["", "x" * 256, "a/b", "a\\b", "a?b", "a#b", ".", ".."])
async def test_an_id_out_of_bounds_is_refused(store: ResourceStore, id: str) -> None:
    with pytest.raises(errors.Invalid):
        await created(store, id)


@pytest.mark.parametrize("id", ["x" * 255, "a b", "ä.ö-ü_~!$&'()*+,;=:@", "'; DROP TABLE x"])
async def test_any_other_id_is_taken(store: ResourceStore, id: str) -> None:
    written = await created(store, id)
    assert await store.get("p", id) == written


@pytest.mark.parametrize("bad", [{}, {"kind": 1}, {"kind": None}])
async def test_a_body_without_a_kind_is_refused(store: ResourceStore, bad: Json) -> None:
    with pytest.raises(errors.Invalid):
        await store.transact("p", [Create("a", bad)])


async def test_a_document_over_one_megabyte_is_refused(store: ResourceStore) -> None:
    await created(store, "small", text="x" * 900_000)
    with pytest.raises(errors.TooLarge):
        await created(store, "large", text="x" * 1_100_000)


async def test_a_transaction_over_two_megabytes_is_refused(store: ResourceStore) -> None:
    with pytest.raises(errors.TooLarge):
        await store.transact("p", [Create(f"{n}", body(text="x" * 700_000)) for n in range(3)])
    await store.transact("p", [Create(f"{n}", body(text="x" * 600_000)) for n in range(3)])


async def test_a_query_pages_in_order_of_partition_and_id(store: ResourceStore) -> None:
    wanted = [(partition, f"{n}") for partition in "pqr" for n in range(5)]
    for partition, id in reversed(wanted):
        await created(store, id, partition)
    for page_size in (1, 4, 15, 100):
        assert await everything(store, page_size=page_size) == wanted
    assert await everything(store, page_size=4, descending=True) == wanted[::-1]


async def test_a_full_last_page_has_no_continuation(store: ResourceStore) -> None:
    for n in range(4):
        await created(store, f"{n}")
    first = await store.query("Thing", partition="p", page_size=2)
    last = await store.query("Thing", partition="p", page_size=2, continuation=first.continuation)
    assert [document.id for document in last.documents] == ["2", "3"]
    assert last.continuation is None


async def test_a_query_keeps_to_its_kind_and_partition(store: ResourceStore) -> None:
    await created(store, "a", "p")
    await created(store, "a", "q")
    await store.transact("p", [Create("b", {"kind": "Other"})])
    page = await store.query("Thing", partition="p")
    assert [(document.partition, document.id) for document in page.documents] == [("p", "a")]


async def test_a_query_compares_fields_by_value_and_type(store: ResourceStore) -> None:
    bodies: dict[str, Json] = {
        "a": {"x": 1, "on": True},
        "b": {"x": "1", "on": False},
        "c": {"x": True, "on": True},
        "d": {"on": "true"},
        "e": {"x": None, "deep": {"x": 1}},
    }
    for id, fields in bodies.items():
        await created(store, id, **fields)

    async def ids(**where: str | int | bool) -> str:
        page = await store.query("Thing", partition="p", where=where)
        return "".join(document.id for document in page.documents)

    assert await ids(x=1) == "a"
    assert await ids(x="1") == "b"
    assert await ids(x=True) == "c"
    assert await ids(on=True) == "ac"
    assert await ids(on=False) == "b"
    assert await ids(on=True, x=1) == "a"
    assert await ids(x="it's; --") == ""


@pytest.mark.parametrize("field", ["a.b", "a'b", "", 'a"', "$", "a b", "x) OR (1=1"])
async def test_a_field_name_that_is_none_is_refused(store: ResourceStore, field: str) -> None:
    with pytest.raises(errors.Invalid):
        await store.query("Thing", partition="p", where={field: 1})


async def test_paging_is_stable_under_writes(store: ResourceStore) -> None:
    stay = [f"{n:02}" for n in range(0, 20, 2)]
    for id in stay:
        await created(store, id, n=0)
    seen: list[str] = []
    continuation = None
    for step in range(100):
        page = await store.query("Thing", partition="p", page_size=3, continuation=continuation)
        seen += [document.id for document in page.documents]
        continuation = page.continuation
        if continuation is None:
            break
        await created(store, f"{step * 2 + 1:02}")
        await store.transact("p", [Delete(f"{step * 2 + 1:02}")])
        for id in stay:
            await store.transact("p", [Replace(id, body(n=step + 1), None)])
        await created(store, f"00-{step}")
    assert [id for id in seen if id in stay] == stay


async def test_a_foreign_continuation_is_refused(store: ResourceStore) -> None:
    for n in range(3):
        await created(store, f"{n}")
    mine = (await store.query("Thing", partition="p", page_size=1)).continuation
    assert mine is not None
    for foreign in ("", "x", "é", mine[:-2], "A" + mine[1:], "B" + mine[1:], mine * 2):
        if foreign == mine:
            continue
        with pytest.raises(errors.Invalid):
            await store.query("Thing", partition="p", page_size=1, continuation=foreign)


async def test_a_continuation_of_another_query_is_refused(store: ResourceStore) -> None:
    for n in range(3):
        await created(store, f"{n}")
    mine = (await store.query("Thing", partition="p", page_size=1)).continuation
    with pytest.raises(errors.Invalid):
        await store.query("Thing", partition="q", continuation=mine)
    with pytest.raises(errors.Invalid):
        await store.query("Thing", partition="p", where={"n": 1}, continuation=mine)


async def test_due_documents_come_earliest_first_across_partitions(store: ResourceStore) -> None:
    for n, (partition, due_at) in enumerate([("p", 30.0), ("q", 10.0), ("p", 20.5), ("q", None)]):
        await store.transact(partition, [Create(f"{n}", body(), due_at=due_at)])
    assert [document.id for document in await store.due(25)] == ["1", "2"]
    assert [document.id for document in await store.due(30)] == ["1", "2", "0"]
    assert [document.id for document in await store.due(30, limit=1)] == ["1"]
    assert (await store.due(30))[0].due_at == 10.0


async def test_a_replace_moves_or_clears_what_is_due(store: ResourceStore) -> None:
    await store.transact("p", [Create("a", body(), due_at=1.0), Create("b", body(), due_at=1.0)])
    await store.transact("p", [Replace("a", body(), None), Replace("b", body(), None, due_at=9.0)])
    assert await store.due(5) == []
    assert [document.id for document in await store.due(9)] == ["b"]


async def test_a_document_with_a_time_to_live_is_there_until_then(store: ResourceStore) -> None:
    await store.transact("p", [Create("a", body(), ttl=3600)])
    assert (await store.get("p", "a")).body == body()
    await store.transact("p", [Replace("a", body(n=1), None)])
    assert (await store.get("p", "a")).body == body(n=1)


async def test_a_document_of_a_newer_schema_with_the_same_first_part_is_read(
    store: ResourceStore,
) -> None:
    with newer_process(documents={"Thing": "1.9"}):
        written = await created(store, n=1)
    assert await store.get("p", "a") == written
    assert (await store.query("Thing")).documents == [written]
    [again] = await store.transact("p", [Replace("a", body(n=2), written.etag)])
    assert again is not None
    assert again.body == (await store.get("p", "a")).body == body(n=2)


async def test_a_document_of_a_newer_schema_is_refused_and_left_as_it_is(
    store: ResourceStore,
) -> None:
    other = await created(store, "other")
    with newer_process(documents={"Thing": "2.0"}):
        written = await created(store, n=1)
    with pytest.raises(errors.NewerSchema, match=r"schema 2\.0, and 1\.0 is known here"):
        await store.get("p", "a")
    with pytest.raises(errors.NewerSchema):
        await store.query("Thing")
    assert await store.get("p", "other") == other
    with newer_process(documents={"Thing": "2.0"}):
        assert await store.get("p", "a") == written
        assert (await store.query("Thing")).documents == [written, other]
        [last] = await store.transact("p", [Replace("a", body(n=2), written.etag)])
    with newer_process(documents={"Thing": "3.1"}):
        assert await store.get("p", "a") == last


async def test_what_only_newer_processes_understand_holds_up_nothing_that_is_due(
    store: ResourceStore, caplog: pytest.LogCaptureFixture
) -> None:
    with newer_process(documents={"Thing": "2.0"}):
        for n in range(7):
            await store.transact("p", [Create(f"newer-{n}", body(), due_at=float(n))])
    for n in range(3):
        await store.transact("p", [Create(f"{n}", body(), due_at=10.0 + n)])
    assert [document.id for document in await store.due(20, limit=2)] == ["0", "1"]
    assert [document.id for document in await store.due(20)] == ["0", "1", "2"]
    assert "7 due documents are left to newer processes." in caplog.text
    with newer_process(documents={"Thing": "2.0"}):
        assert len(await store.due(20)) == 10


async def test_the_schema_is_the_stores_own_field(store: ResourceStore) -> None:
    written = await created(store)
    assert "schema" not in written.body
    with pytest.raises(errors.Invalid, match="the store's own"):
        await store.transact("p", [Create("b", body(schema="1.0"))])
