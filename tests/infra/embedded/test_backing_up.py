"""Copying a data folder, and having hosts on it wait."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from infra.embedded import copy_commands
from infra.embedded.backing_up import BackupRefused, back_up, pause, resume
from infra.embedded.data_folder import DataFolder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    for name in ("documents", "queues"):
        with closing(sqlite3.connect(folder.root / f"{name}.db")) as database, database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE things (n INTEGER)")
            database.execute("INSERT INTO things VALUES (1)")
    (folder.blobs / "system" / "a").mkdir(parents=True)
    (folder.blobs / "system" / "a" / "b.csv").write_text("1")
    (folder.root / "blob-state").mkdir()
    folder.receipts.write_text("")
    (folder.root / "blob-state" / "records.db").write_text("x")
    folder.secrets.mkdir(mode=0o700)
    (folder.secrets / "cipher.key").write_text("k")
    (folder.secrets / "cipher.key").chmod(0o600)
    (folder.root / "compute").mkdir()
    return folder


def test_what_an_installation_is_restored_from_is_copied_while_it_is_used(
    folder: DataFolder, tmp_path: Path
) -> None:
    to = tmp_path / "copies" / "monday"
    with closing(sqlite3.connect(folder.documents)) as used, used:
        used.execute("INSERT INTO things VALUES (2)")
        used.commit()
        used.execute("INSERT INTO things VALUES (3)")
        back_up(folder, to)
    with closing(sqlite3.connect(to / "documents.db")) as copy:
        assert copy.execute("SELECT n FROM things").fetchall() == [(1,), (2,)]
    assert (to / "blobs" / "system" / "a" / "b.csv").read_text() == "1"
    assert (to / "blob-state" / "records.db").exists()
    assert not (to / "blob-state" / "receipts.db").exists()
    assert not (to / "compute").exists()
    assert to.stat().st_mode & 0o777 == 0o700
    for private in ("secrets/cipher.key", "documents.db", "queues.db"):
        assert (to / private).stat().st_mode & 0o077 == 0, private
    assert DataFolder(to).paused.exists()
    assert not folder.paused.exists()


def test_nothing_is_copied_over_what_is_there_or_from_what_is_no_data_folder(
    folder: DataFolder, tmp_path: Path
) -> None:
    with pytest.raises(BackupRefused, match="there already"):
        back_up(folder, folder.root.parent)
    with pytest.raises(BackupRefused, match="in the data folder"):
        back_up(folder, folder.root / "copy")
    with pytest.raises(BackupRefused, match="no data folder"):
        back_up(DataFolder(tmp_path / "empty"), tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_folder_is_told_to_wait_and_to_go_on(folder: DataFolder) -> None:
    assert not resume(folder)
    pause(folder)
    assert folder.paused.exists()
    assert resume(folder)
    assert not folder.paused.exists()


def test_the_commands_say_what_came_of_it(
    folder: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = ["--data-dir", str(folder.root)]
    assert copy_commands.run("backup", [*of, str(tmp_path / "to")]) == 0
    assert f"resume --data-dir {tmp_path / 'to'}" in capsys.readouterr().out
    assert copy_commands.run("backup", [*of, str(tmp_path / "to")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert copy_commands.run("pause", of) == 0
    assert folder.paused.exists()
    assert copy_commands.run("resume", of) == 0
    assert "It goes on." in capsys.readouterr().out
    assert copy_commands.run("resume", ["--data-dir", str(tmp_path / "nothing")]) == 2
