"""Ours beside the servers that a user may pick instead, and what else stands to be reached:
one command, one run, one machine.

    python -m benchmarks.online [--peers mlserver,azureml] [--rounds 3] [--seconds 5]
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.online import process_tree, report
from benchmarks.online.ours import Ours
from benchmarks.online.peers import PEERS
from benchmarks.online.rounds import measure
from benchmarks.online.servers import Unavailable
from benchmarks.online.wrk import Wrk


def main() -> int:
    known = [peer.folder for peer in PEERS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--peers", default=",".join(known), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each run of wrk")
    arguments = parser.parse_args()
    named = [name for name in arguments.peers.split(",") if name]
    if strange := set(named) - set(known):
        parser.error(f"unknown peers: {', '.join(sorted(strange))}; known: {', '.join(known)}")
    try:
        wrk = Wrk()
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    process_tree.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-online-") as folder:
            servers = [Ours(Path(folder)), *(p for p in PEERS if p.folder in named)]
            for processes in (1, 2):
                found = measure(
                    servers,
                    wrk,
                    processes=processes,
                    rounds=arguments.rounds,
                    seconds=arguments.seconds,
                )
                sys.stdout.write(report.table(processes, found))
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
    finally:
        process_tree.end_children()
    return 0


if __name__ == "__main__":
    sys.exit(main())
