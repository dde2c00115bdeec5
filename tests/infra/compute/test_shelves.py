"""Folders in which files are lent to nodes."""

import os
import socket
from pathlib import Path

from infra.compute.shelves import NO_SHELVES, Shelves, shares_files


def test_a_group_sees_its_own_and_reads_it(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path / "lent")
    assert shelves.mounts("g-1") == (f"{tmp_path}/lent/g-1:/lent:ro",)
    assert (tmp_path / "lent").stat().st_mode & 0o777 == 0o700
    assert shelves.place("g-1", "unit") == tmp_path / "lent" / "g-1" / "unit"
    shelves.clear("g-1")
    assert not (tmp_path / "lent" / "g-1").exists()


def test_what_nobody_takes_back_is_swept_after_a_week(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    shelves.mounts("g")
    for name in ("old", "new"):
        (tmp_path / "g" / name / "0").mkdir(parents=True)
    os.utime(tmp_path / "g" / "old", (0, 0))
    shelves.sweep()
    assert [each.name for each in (tmp_path / "g").iterdir()] == ["new"]


def test_where_containers_see_no_folder_nothing_is_made() -> None:
    assert NO_SHELVES.mounts("g") == ()
    assert NO_SHELVES.place("g", "unit") is None
    NO_SHELVES.sweep()


def test_an_engine_of_this_machine_is_known_by_who_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        assert shares_files(f"unix://{tmp_path}/s")
    assert not shares_files(f"unix://{tmp_path}/s")
    assert not shares_files("tcp://127.0.0.1:2375")
