"""Which files of a folder have come to rest."""

import os
import time
from pathlib import Path

import pytest

from infra.embedded.arrivals.folder_watch import FolderWatch
from tests.kit.clocks import HeldClock
from tests.kit.waiting import until

SECOND = 1_000_000_000
OLD = 1_000_000 * SECOND


def names(watch: FolderWatch, *, full: bool = False) -> list[str]:
    return [arrival.name for arrival in watch.look(full=full)]


def written_now(path: Path, content: str = "x") -> None:
    """As one sees a file that is still open for writing: its times agree."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def evenly() -> bool:
        path.write_text(content)
        found = path.stat()
        return found.st_mtime_ns == found.st_ctime_ns

    until(evenly, "the file system stamps a file evenly")


def test_a_file_just_written_counts_at_the_second_look(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, {})
    assert names(watch) == []
    written_now(tmp_path / "a" / "b.csv")
    assert names(watch) == []
    assert names(watch) == ["a/b.csv"]
    assert names(watch) == []
    assert names(watch, full=True) == []


def test_what_a_look_had_found_as_it_broke_off_counts_at_the_next(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, {})
    for folder in ("a", "b"):  # b is looked at first: it came later
        (tmp_path / folder).mkdir()
        assert names(watch) == []
    written_now(tmp_path / "b" / "c.csv")
    assert names(watch) == []
    (tmp_path / "a").rmdir()
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        watch.look()
    (tmp_path / "a").unlink()
    assert names(watch) == ["b/c.csv"]
    assert names(watch, full=True) == []


def test_a_growing_file_does_not_count_until_it_rests(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, {})
    for size in range(1, 5):
        written_now(tmp_path / "growing.csv", "x" * size)
        assert names(watch) == []
    assert names(watch) == ["growing.csv"]


def test_a_file_renamed_in_counts_at_once(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    watch = FolderWatch(inbox, {})
    assert names(watch) == []
    written_now(tmp_path / "draft")
    # The kernel's clock ticks: only a later tick makes the rename later than the write.
    written = (tmp_path / "draft").stat().st_mtime_ns
    until(lambda: time.time_ns() - written > SECOND // 20)
    (tmp_path / "draft").rename(inbox / "whole.csv")
    assert names(watch) == ["whole.csv"]


def test_a_file_with_an_old_time_counts_at_once(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, {})
    names(watch)
    (tmp_path / "copied.csv").write_text("x")
    os.utime(tmp_path / "copied.csv", ns=(OLD, OLD))
    assert names(watch) == ["copied.csv"]


def test_a_file_rewritten_in_place_counts_again_at_a_full_look(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path, {})
    written_now(tmp_path / "a.csv", "first")
    names(watch), names(watch)
    with (tmp_path / "a.csv").open("r+") as file:
        file.write("second")
    first = names(watch, full=True)
    assert first + names(watch) == ["a.csv"]


def test_a_file_moved_over_another_counts_again(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "inbox", {})
    written_now(tmp_path / "inbox" / "a.csv")
    names(watch), names(watch)
    written_now(tmp_path / "new.csv")
    (tmp_path / "new.csv").rename(tmp_path / "inbox" / "a.csv")
    assert names(watch) + names(watch) == ["a.csv"]


def test_what_is_known_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text("x")
    first = FolderWatch(tmp_path, {})
    found = {arrival.name: arrival.signature for _ in range(2) for arrival in first.look()}
    watch = FolderWatch(tmp_path, found)
    assert names(watch) + names(watch, full=True) == []
    watch.forget("folder/a.csv")
    assert names(watch) + names(watch) == ["folder/a.csv"]


def test_a_folder_moved_in_whole_counts_with_all_that_is_in_it(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "inbox", {})
    (tmp_path / "inbox").mkdir()
    names(watch)
    for name in ("a.csv", "deep/b.csv", "deep/er/c.csv"):
        written_now(tmp_path / "outside" / name)
    (tmp_path / "outside").rename(tmp_path / "inbox" / "drop")
    found = names(watch) + names(watch)
    assert sorted(found) == ["drop/a.csv", "drop/deep/b.csv", "drop/deep/er/c.csv"]


def test_links_hidden_files_and_special_files_are_left_alone(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "inbox", {})
    written_now(tmp_path / "inbox" / ".partial-upload")
    written_now(tmp_path / "outside" / "a.csv")
    (tmp_path / "inbox" / "link.csv").symlink_to(tmp_path / "outside" / "a.csv")
    (tmp_path / "inbox" / "folder").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "inbox" / "pipe")
    assert names(watch) + names(watch) == []


def test_a_folder_that_goes_and_comes_back_is_looked_into_again(tmp_path: Path) -> None:
    watch = FolderWatch(tmp_path / "inbox", {})
    assert names(watch) == []
    written_now(tmp_path / "inbox" / "a.csv")
    assert names(watch) + names(watch) == ["a.csv"]
    (tmp_path / "inbox" / "a.csv").unlink()
    (tmp_path / "inbox").rmdir()
    assert names(watch) == []
    written_now(tmp_path / "inbox" / "a.csv")
    assert names(watch) + names(watch) == ["a.csv"]


def test_a_look_at_an_unchanged_folder_does_not_scan_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HeldClock(time.time())
    for number in range(50):
        (tmp_path / f"{number}.csv").write_text("x")
    watch = FolderWatch(tmp_path, {}, now=lambda: int(clock.time * SECOND))
    assert len(names(watch) + names(watch)) == 50
    clock.move(10)
    names(watch), names(watch)
    scandir, scanned = os.scandir, []

    def counted(path: Path) -> object:
        scanned.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    names(watch)
    assert scanned == []
    names(watch, full=True)
    assert len(scanned) == 1
