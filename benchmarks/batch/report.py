"""The figures as Markdown, and what was to be reached."""

from collections.abc import Iterator, Sequence

from benchmarks.batch.rounds import Figures
from benchmarks.reach.line import Line, at_most

POOL, OURS = "pool", "ours"
_STEADY, _FIRST, _WHOLE = 1.15, 1.3, 1.6
"""Times the pool's, at most."""
TITLES = {
    "loop": "one process, a plain loop",
    POOL: "multiprocessing pool",
    "ray": "Ray Data",
    "dask": "Dask",
    "spark": "PySpark mapInPandas",
    "mlflow": "mlflow udf on PySpark",
    OURS: "ours",
}
_BEATEN = ("ray", "dask", "spark", "mlflow")


def table(found: Sequence[Figures]) -> str:
    by_name = {each.name: each for each in found if each.rounds}
    pool = by_name.get(POOL)
    titles = ["way", "steady s", "x pool", "whole s", "x pool", "MB"]
    lines = [_row(titles), _row(["---"] * len(titles))]
    for each in found:
        title = TITLES[each.name]
        if not each.rounds:
            lines.append(_row([title, f"not measured: {' '.join(each.missing.split())[:200]}"]))
            continue
        lines.append(_times(title, each.steady, each.whole, pool, f"{each.megabytes:,.0f}"))
    if OURS in by_name:
        ours = by_name[OURS]
        more = ours.more()
        for name in ("first job from Running", "next job from its call"):
            over = f"{more[name] / pool.steady:.2f}" if pool else ""
            lines.append(_row([f"ours, {name}", f"{more[name]:.2f}", over, "", "", ""]))
        cold = _cold(ours)
        over = f"{cold / pool.whole:.2f}" if pool else ""
        lines.append(_row(["ours, host started for it", "", "", f"{cold:.2f}", over, ""]))
    return "\n".join(lines) + "\n"


def _times(title: str, steady: float, whole: float, pool: Figures | None, memory: str = "") -> str:
    over = ["", ""]
    if pool is not None:
        over = [f"{steady / pool.steady:.2f}", f"{whole / pool.whole:.2f}"]
    return _row([title, f"{steady:.2f}", over[0], f"{whole:.2f}", over[1], memory])


def steps(ours: Figures) -> str:
    """Where the wall time of our jobs goes; medians, which need not add up."""
    told = [f"{name} {seconds:.2f}" for name, seconds in ours.more().items()]
    return "ours: " + ", ".join(told) + "\n"


def targets(found: Sequence[Figures]) -> Iterator[Line]:
    """What is to be reached, of what was measured."""
    by_name = {each.name: each for each in found if each.rounds}
    ours, pool = by_name.get(OURS), by_name.get(POOL)
    if ours is None:
        return
    if pool is not None:
        more = ours.more()
        for what, own, theirs, most in (
            ("steady", ours.steady, pool.steady, _STEADY),
            ("first job from Running", more["first job from Running"], pool.steady, _FIRST),
            ("whole, the host's start included", _cold(ours), pool.whole, _WHOLE),
        ):
            told = f"{own / theirs:.2f} x ({own:.2f} s)"
            yield at_most(f"{what}, of the pool's time", told, own / theirs, most, "x")
    for name in _BEATEN:
        if (peer := by_name.get(name)) is not None:
            for kind, own, theirs in (
                ("without start-up", ours.steady, peer.steady),
                ("with start-up", ours.whole, peer.whole),
            ):
                told = f"{own / theirs:.2f} x ({own:.2f} s, {theirs:.2f} s)"
                yield at_most(f"{kind}, of {TITLES[name]}'s time", told, own / theirs, 1, "x")


def _cold(ours: Figures) -> float:
    return ours.whole + ours.more()["host ready"]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
