"""What is kept back of a disk, whatever this machine's own is like."""

import logging
from pathlib import Path

import pytest

from domain.errors import StorageFull
from infra.embedded.disk_room import DiskRoom, DiskSpace, space

MIB = 2**20


async def test_new_work_is_refused_while_less_is_free_than_is_kept_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    free, now, looks = [8 * MIB], [0.0], []

    def look(folder: Path) -> DiskSpace:
        looks.append(folder)
        return DiskSpace(100 * MIB, free[0])

    room = DiskRoom(tmp_path, 8 * MIB, look, lambda: now[0])
    await room.check()
    free[0] -= 1
    await room.check()
    assert len(looks) == 1, "it looks once a second"
    now[0] += 1
    with caplog.at_level(logging.INFO, "infra.embedded.disk_room"):
        for _ in range(3):
            with pytest.raises(StorageFull, match=r"less free than the 8 MiB .*RESERVE") as refused:
                await room.check()
        assert refused.value.retry_after == 30
        free[0], now[0] = 9 * MIB, 2.0
        await room.check()
    told = [getattr(record, "action", None) for record in caplog.records]
    assert told == ["disk_short", "disk_recovered"]


def test_a_disk_has_some_free_and_no_more_than_there_is(tmp_path: Path) -> None:
    found = space(tmp_path)
    assert 0 <= found.free <= found.total
