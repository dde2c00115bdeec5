"""Ours beside the servers that a user may pick instead, and what else stands to be reached:
one command, one run, one machine.

    python -m benchmarks.online [--peers mlserver,azureml] [--rounds 3] [--seconds 5]
                                [--only peers|lines|rest|...] [--requests N] [--endpoints N]

What was to be reached, and whether it was, is appended to benchmarks/history.csv.
"""

import argparse
import functools
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import process_tree
from benchmarks.online import report
from benchmarks.online.lines import endpoints, gateway, loads, memory, rest, starts
from benchmarks.online.ours import Ours
from benchmarks.online.peers import PEERS, Peer
from benchmarks.online.rounds import measure
from benchmarks.online.servers import Server, Wrong
from benchmarks.online.wrk import Wrk
from benchmarks.peer_environments import Unavailable
from benchmarks.reach import history
from benchmarks.reach.line import Line, reached

_REQUESTS = 1_000_000
_ENDPOINTS = 1_000
_LINES: dict[str, Callable[[argparse.Namespace, Wrk, Path], list[Line]]] = {
    "gateway": lambda _asked, _wrk, folder: gateway.measure(folder),
    "loads": lambda asked, _wrk, _folder: loads.measure(asked.seconds),
    "starts": lambda _asked, _wrk, folder: starts.measure(folder),
    "memory": lambda asked, wrk, folder: memory.measure(folder, wrk, asked.requests),
    "endpoints": lambda asked, wrk, folder: endpoints.measure(folder, wrk, asked.endpoints),
    "rest": lambda asked, _wrk, folder: rest.measure(folder, asked.endpoints),
}


def main() -> int:
    arguments, peers = _arguments()
    try:
        wrk = Wrk()
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    process_tree.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-online-") as folder:
            _measure(arguments, peers, wrk, Path(folder))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
    finally:
        process_tree.end_children()
    return 0


def _arguments() -> tuple[argparse.Namespace, list[Peer]]:
    known = [peer.folder for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peers", default=",".join(known), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=5, help="of each load; default: 5")
    parser.add_argument(
        "--only", choices=("peers", "lines", *_LINES), help="the tables, the rest, or one of it"
    )
    parser.add_argument("--requests", type=int, default=_REQUESTS, help="of the memory line")
    parser.add_argument("--endpoints", type=int, default=_ENDPOINTS)
    arguments = parser.parse_args()
    named = [name for name in arguments.peers.split(",") if name]
    if strange := set(named) - set(known):
        parser.error(f"unknown peers: {', '.join(sorted(strange))}; known: {', '.join(known)}")
    return arguments, [peer for peer in PEERS if peer.folder in named]


def _measure(arguments: argparse.Namespace, peers: list[Peer], wrk: Wrk, folder: Path) -> None:
    lines: list[Line] = []
    if arguments.only in (None, "peers"):
        servers: list[Server] = [Ours(folder), *peers]
        for processes in (1, 2):
            found = measure(
                servers,
                wrk,
                processes=processes,
                rounds=arguments.rounds,
                seconds=arguments.seconds,
            )
            _tell(report.table(processes, found))
            if processes == 1:
                lines += report.against_peers(found)
    for name, look in _LINES.items():
        if arguments.only in (None, "lines", name):
            lines += _line(name, functools.partial(look, arguments, wrk, folder))
    _tell(reached(lines))
    history.keep("online", lines)


def _line(name: str, look: Callable[[], list[Line]]) -> list[Line]:
    """What could not be measured is told as that, beside all that was."""
    sys.stderr.write(f"{name}\n")
    try:
        return look()
    except (AssertionError, Unavailable, Wrong) as error:
        return [Line(name, "", f"not measured: {' '.join(str(error).split())[:200]}", None)]


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
