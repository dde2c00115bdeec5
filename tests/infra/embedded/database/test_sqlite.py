import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain import errors
from infra.embedded.database.sqlite import Database
from tests.kit.waiting import PATIENCE

SCHEMA = "CREATE TABLE things (name TEXT PRIMARY KEY, content BLOB)"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "data" / "things.db", SCHEMA)
    yield database
    await database.close()


def inserting(name: str, content: bytes = b"") -> "Inserting":
    return Inserting(name, content)


class Inserting:
    def __init__(self, name: str, content: bytes) -> None:
        self.row = (name, content)

    def __call__(self, connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO things VALUES (?, ?)", self.row)
        return self.row[0]


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY name")]


async def hold_the_writer(database: Database) -> tuple[threading.Event, "asyncio.Task[None]"]:
    """Keep the writer busy, so that what is written next must share a commit."""
    running, release = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        running.set()
        assert release.wait(PATIENCE)

    task = asyncio.create_task(database.write(hold))
    assert await asyncio.to_thread(running.wait, PATIENCE)
    return release, task


async def test_nothing_is_on_the_disk_before_the_first_operation(tmp_path: Path) -> None:
    database = Database(tmp_path / "data" / "things.db", SCHEMA)
    await database.close()
    assert not (tmp_path / "data").exists()


async def test_the_file_is_its_owners_alone(database: Database, tmp_path: Path) -> None:
    await database.write(inserting("a"))
    assert (tmp_path / "data" / "things.db").stat().st_mode & 0o777 == 0o600


async def test_a_failing_operation_undoes_only_itself_in_a_shared_commit(
    database: Database,
) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO things VALUES ('half', NULL)")
        raise errors.Conflict("no")

    release, held = await hold_the_writer(database)
    waiting = [
        asyncio.create_task(database.write(operation))
        for operation in (inserting("a"), half_done, inserting("b"), inserting("a"))
    ]
    await asyncio.sleep(0)
    release.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    await held
    assert (outcomes[0], outcomes[2]) == ("a", "b")
    assert isinstance(outcomes[1], errors.Conflict)
    assert isinstance(outcomes[3], sqlite3.IntegrityError)
    assert await database.read(names) == ["a", "b"]


async def test_a_full_disk_is_told_and_undoes_only_what_did_not_fit(database: Database) -> None:
    def limit(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + 20}")

    await database.write(limit)
    release, held = await hold_the_writer(database)
    waiting = [
        asyncio.create_task(database.write(operation))
        for operation in (inserting("a"), inserting("large", b"x" * 1_000_000), inserting("b"))
    ]
    await asyncio.sleep(0)
    release.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    await held
    assert (outcomes[0], outcomes[2]) == ("a", "b")
    assert isinstance(outcomes[1], errors.StorageFull)
    with pytest.raises(errors.StorageFull):
        await database.write(inserting("large", b"x" * 1_000_000))
    assert await database.read(names) == ["a", "b"]


async def test_an_operation_that_waits_too_long_is_told_so_and_never_run(tmp_path: Path) -> None:
    database = Database(tmp_path / "things.db", SCHEMA, wait=PATIENCE)
    release, held = await hold_the_writer(database)
    database.wait = 0.2
    with pytest.raises(errors.Unavailable):
        await database.write(inserting("late"))
    database.wait = PATIENCE
    release.set()
    await held
    await database.write(inserting("next"))
    assert await database.read(names) == ["next"]
    await database.close()


async def test_a_cancelled_operation_that_had_not_begun_is_not_run(database: Database) -> None:
    release, held = await hold_the_writer(database)
    cancelled = asyncio.create_task(database.write(inserting("cancelled")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    release.set()
    await held
    await database.write(inserting("next"))
    assert await database.read(names) == ["next"]


async def test_reads_do_not_wait_for_a_write(database: Database) -> None:
    await database.write(inserting("a"))
    release, held = await hold_the_writer(database)
    assert await database.read(names) == ["a"]
    release.set()
    await held


async def test_closing_finishes_what_was_submitted_and_refuses_the_rest(tmp_path: Path) -> None:
    database = Database(tmp_path / "things.db", SCHEMA)
    waiting = [asyncio.create_task(database.write(inserting(f"{n}"))) for n in range(50)]
    await asyncio.sleep(0)
    await database.close()
    assert len(await asyncio.gather(*waiting)) == 50
    with pytest.raises(errors.Unavailable):
        await database.write(inserting("late"))
    with pytest.raises(errors.Unavailable):
        await database.read(names)
    await database.close()
    # The log was folded back into the file.
    assert [path.name for path in tmp_path.iterdir()] == ["things.db"]


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "things.db").write_bytes(b"not a database" * 1000)
    database = Database(tmp_path / "things.db", SCHEMA)
    with pytest.raises(errors.Unavailable, match="damaged"):
        await database.write(inserting("a"))
    await database.close()


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    newer = Database(tmp_path / "things.db", SCHEMA, version=2)
    await newer.write(inserting("a"))
    await newer.close()
    older = Database(tmp_path / "things.db", SCHEMA, version=1)
    with pytest.raises(errors.Unavailable, match="newer"):
        await older.read(names)
    await older.close()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = Database(tmp_path / "file" / "things.db", SCHEMA)
    with pytest.raises(errors.Unavailable):
        await database.read(names)
    await database.close()
