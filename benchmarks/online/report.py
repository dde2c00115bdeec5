"""The figures as Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.online.rounds import CONNECTIONS, Figures
from benchmarks.reach.line import Line, at_least, at_most

_MOST = CONNECTIONS[-1]


def table(processes: int, found: Sequence[Figures]) -> str:
    """Ours stands first; the last column is our requests/s over theirs, at the most
    connections."""
    ours = found[0]
    titles = ["server", *(_connections(each) for each in CONNECTIONS)]
    titles += ["cold start s", "RSS MB", f"ours / it, at {_MOST}"]
    what = "One model process each" if processes == 1 else f"{processes} model processes each"
    lines = [f"\n### {what} (requests/s · p50/p99 ms)\n", *_head(titles)]
    for each in found:
        if not each.measured:
            reason = " ".join(each.missing.split())[:200] or "not measured"
            lines.append(_row([each.name, reason, *[""] * (len(titles) - 2)]))
            continue
        cells = [each.name]
        cells += [f"{each.rate(n):,.0f} · {each.p50(n):.2f}/{each.p99(n):.2f}" for n in CONNECTIONS]
        ratio = f"{ours.rate(_MOST) / each.rate(_MOST):.1f} x" if ours.measured else ""
        lines.append(_row([*cells, f"{each.cold_start:.1f}", f"{each.memory:,.0f}", ratio]))
    return "\n".join(lines) + "\n"


def against_peers(found: Sequence[Figures]) -> list[Line]:
    """What is to be reached beside the best peer of each figure."""
    ours, peers = found[0], [each for each in found[1:] if each.measured]
    if not ours.measured or not peers:
        return [Line("ours beside the best peer", "", "nothing to compare", None)]
    rate = max(peers, key=lambda each: each.rate(_MOST))
    p50 = min(peers, key=lambda each: each.p50(1))
    p99 = min(peers, key=lambda each: each.p99(_MOST))
    times = ours.rate(_MOST) / rate.rate(_MOST)
    share = ours.p99(_MOST) / p99.p99(_MOST)
    best = f"{p50.name} {p50.p50(1):.2f}"
    return [
        at_least(
            f"requests/s at {_MOST} connections, of the best peer's",
            f"{times:.2f} x ({rate.name})",
            times,
            2,
            "x",
        ),
        at_most(
            "p50 at 1 connection, the best peer's",
            f"{ours.p50(1):.2f} ms ({best} ms)",
            ours.p50(1),
            round(p50.p50(1), 3),
            "ms",
        ),
        at_most(
            f"p99 at {_MOST} connections, of the best peer's",
            f"{share:.2f} x, {ours.p99(_MOST):.1f} ms ({p99.name} {p99.p99(_MOST):.1f} ms)",
            share,
            0.5,
            "x",
        ),
    ]


def _connections(number: int) -> str:
    return "1 connection" if number == 1 else f"{number} connections"


def _head(titles: Sequence[str]) -> list[str]:
    return [_row(titles), _row(["---"] * len(titles))]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
