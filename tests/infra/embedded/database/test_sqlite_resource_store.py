import asyncio
import itertools
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from domain import errors
from domain.ports import Create, Delete, Replace
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore, page_statement
from tests.infra.embedded.killed import killed_when_it_says
from tests.kit.clocks import HeldClock

BODY = {"kind": "Thing"}


async def test_what_was_acknowledged_survives_the_process(tmp_path: Path) -> None:
    said = await asyncio.to_thread(
        killed_when_it_says,
        """
        from domain.ports import Create
        from infra.embedded.database.sqlite_resource_store import (
            SqliteResourceStore, page_statement)

        async def main(folder):
            store = SqliteResourceStore(folder / "documents.db")

            async def write(n):
                await store.transact("p", [Create(f"{n}-{i}", {"kind": "T"}) for i in range(3)])
                print(n, flush=True)

            n = 0
            while True:
                await asyncio.gather(*[write(n + i) for i in range(10)])
                n += 10
        """,
        tmp_path,
        lines=200,
    )
    store = SqliteResourceStore(tmp_path / "documents.db")
    for n in said:
        for i in range(3):
            await store.get("p", f"{n}-{i}")
    found, continuation = 0, None
    while True:
        page = await store.query("T", continuation=continuation, page_size=1000)
        found += len(page.documents)
        continuation = page.continuation
        if continuation is None:
            break
    # Of what was under way at the end, each transaction is there whole or not at all.
    assert found >= len(said) * 3
    assert found % 3 == 0
    await store.close()


async def test_an_expired_document_is_gone_from_every_answer(tmp_path: Path) -> None:
    clock = HeldClock()
    store = SqliteResourceStore(tmp_path / "documents.db", now=clock.unix)
    await store.transact("p", [Create("a", BODY, due_at=1.0, ttl=10), Create("b", BODY, ttl=10)])
    clock.move(5)
    await store.transact("p", [Replace("b", BODY, None, ttl=10)])
    assert [document.id for document in await store.due(5)] == ["a"]
    clock.move(5)
    with pytest.raises(errors.DocumentNotFound):
        await store.get("p", "a")
    for write in (Replace("a", BODY, None), Delete("a")):
        with pytest.raises(errors.DocumentNotFound):
            await store.transact("p", [write])
    assert await store.due(5) == []
    assert [document.id for document in (await store.query("Thing")).documents] == ["b"]
    await store.transact("p", [Create("a", {"kind": "Thing", "n": 2})])
    assert (await store.get("p", "a")).body["n"] == 2
    await store.close()


async def test_expired_documents_leave_the_disk_as_writes_come(tmp_path: Path) -> None:
    clock = HeldClock()
    store = SqliteResourceStore(tmp_path / "documents.db", now=clock.unix)
    for start in range(0, 200, 100):
        await store.transact("p", [Create(f"{start + n}", BODY, ttl=1) for n in range(100)])
    clock.move(2)
    for n in range(4):
        await store.transact("q", [Create(f"{n}", BODY)])
    await store.close()
    with closing(sqlite3.connect(tmp_path / "documents.db")) as connection:
        [left] = connection.execute("SELECT count(*) FROM documents").fetchone()
    assert left == 4


async def test_a_continuation_outlives_the_process_but_not_its_store(tmp_path: Path) -> None:
    store = SqliteResourceStore(tmp_path / "documents.db")
    await store.transact("p", [Create(f"{n}", BODY) for n in range(3)])
    continuation = (await store.query("Thing", page_size=1)).continuation
    await store.close()
    again = SqliteResourceStore(tmp_path / "documents.db")
    page = await again.query("Thing", continuation=continuation)
    assert [document.id for document in page.documents] == ["1", "2"]
    await again.close()
    other = SqliteResourceStore(tmp_path / "other.db")
    with pytest.raises(errors.Invalid):
        await other.query("Thing", continuation=continuation)
    await other.close()


async def test_a_page_of_large_documents_is_cut_short(tmp_path: Path) -> None:
    store = SqliteResourceStore(tmp_path / "documents.db")
    for n in range(20):
        await store.transact("p", [Create(f"{n:02}", {"kind": "T", "text": "x" * 1_000_000})])
    first = await store.query("T")
    assert 10 < len(first.documents) < 20
    rest = await store.query("T", continuation=first.continuation)
    assert len(first.documents) + len(rest.documents) == 20
    await store.close()


@pytest.mark.parametrize(
    "bad", [math.nan, math.inf, "\ud800", {1, 2}, b"x"], ids=["nan", "inf", "half", "set", "bytes"]
)
async def test_a_body_that_is_not_json_is_refused(tmp_path: Path, bad: object) -> None:
    store = SqliteResourceStore(tmp_path / "documents.db")
    with pytest.raises(errors.Invalid):
        await store.transact("p", [Create("a", {"kind": "Thing", "bad": bad})])
    await store.close()


async def test_every_query_walks_an_index(tmp_path: Path) -> None:
    store = SqliteResourceStore(tmp_path / "documents.db")
    await store.transact("p", [Create("a", BODY)])
    pages = [
        page_statement([], in_partition=partition, follows=follows, descending=descending)
        for partition, follows, descending in itertools.product([False, True], repeat=3)
    ]
    values = dict.fromkeys(
        ("kind", "partition", "after_partition", "after_id", "now", "limit"), "1"
    )
    await store.close()
    with closing(sqlite3.connect(tmp_path / "documents.db")) as connection:
        plans = [
            [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement in (
                *pages,
                "SELECT * FROM documents WHERE due_at <= 1"
                " AND (expires_at IS NULL OR expires_at > 1) ORDER BY due_at LIMIT 3",
                "SELECT rowid FROM documents WHERE expires_at <= 1 LIMIT 3",
            )
        ]
    assert sum("partition=? AND id" in plan for [plan] in plans[: len(pages)]) == 2
    for plan in plans:
        assert len(plan) == 1, plan
        assert plan[0].startswith("SEARCH documents USING"), plan
