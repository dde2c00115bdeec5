"""The figures as Markdown."""

from collections.abc import Sequence

from benchmarks.online.rounds import CONNECTIONS, Figures


def table(processes: int, found: Sequence[Figures]) -> str:
    """Ours stands first; the last column is our requests/s over theirs, at the most
    connections."""
    most = CONNECTIONS[-1]
    ours = found[0]
    titles = ["server", *(_connections(each) for each in CONNECTIONS)]
    titles += ["cold start s", "RSS MB", f"ours / it, at {most}"]
    what = "One model process each" if processes == 1 else f"{processes} model processes each"
    lines = [f"\n### {what} (requests/s · p50 / p99 ms)\n", _row(titles), _row("---" for _ in titles)]
    for each in found:
        if each.missing or not each.loads:
            reason = " ".join(each.missing.split())[:200]
            lines.append(_row([each.name, reason, *[""] * (len(titles) - 2)]))
            continue
        cells = [each.name]
        cells += [f"{each.rate(n):,.0f} · {each.p50(n):.2f}/{each.p99(n):.2f}" for n in CONNECTIONS]
        ratio = "" if ours.missing else f"{ours.rate(most) / each.rate(most):.1f} x"
        lines.append(_row([*cells, f"{each.cold_start:.1f}", f"{each.memory:,.0f}", ratio]))
    return "\n".join(lines) + "\n"


def _connections(number: int) -> str:
    return "1 connection" if number == 1 else f"{number} connections"


def _row(cells: "Sequence[str] | object") -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"  # type: ignore[attr-defined]
