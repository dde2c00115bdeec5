"""Figures over time in a file that has a largest size."""

from datetime import timedelta
from pathlib import Path

from domain.ports.records.figure_store import Bucket, FigureQuery, Series, counted
from infra.embedded.database.sqlite_figure_store import SqliteFigureStore
from tests.kit.clocks import HeldClock

HOUR = 3600
SERIES = [Series("onlineendpoints/iris", "Requests", (str(number),)) for number in range(20)]


async def test_what_is_too_much_is_kept_for_less_long_and_the_newest_stay(tmp_path: Path) -> None:
    clock = HeldClock()
    store = SqliteFigureStore(
        tmp_path / "figures.db",
        keeps={HOUR: timedelta(days=365)},
        max_bytes=200_000,
        now=clock.unix,
    )
    for _ in range(400):
        clock.move(HOUR)
        at = int(clock.time) // HOUR * HOUR
        await store.put("gateway", [Bucket(HOUR, at, dict.fromkeys(SERIES, counted(1)))])
    now = int(clock.time)
    query = FigureQuery(SERIES[0].subject, ("Requests",), HOUR, now - 400 * HOUR, now + 1)
    kept = await store.read(query)
    assert len(kept) < 400 * len(SERIES)
    assert {each.at for each in kept} >= {at - HOUR * n for n in range(5)}
    await store.close()
    assert (tmp_path / "figures.db").stat().st_size < 400_000
