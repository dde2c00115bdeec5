"""Batch scoring, ours beside the ways that a user may pick instead: the same model, files,
reading and predict code, 50 files a call, two worker processes each, in one run.

    python -m benchmarks.batch [--ways pool,ours] [--rounds 3] [--files 2000]
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.batch import report
from benchmarks.batch.inputs import make_files, make_model
from benchmarks.batch.measured import Void
from benchmarks.batch.ours import Ours
from benchmarks.batch.peers import PEERS
from benchmarks.batch.rounds import Way, measure
from benchmarks.process_tree import adopt_orphans, end_children
from benchmarks.reach import history
from benchmarks.reach.line import reached


def main() -> int:
    known = [*PEERS, report.OURS]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--ways", default=",".join(known), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--reader", choices=("pandas", "numpy"), default="pandas")
    arguments = parser.parse_args()
    named = [name for name in arguments.ways.split(",") if name]
    if strange := set(named) - set(known):
        parser.error(f"unknown ways: {', '.join(sorted(strange))}; known: {', '.join(known)}")
    if arguments.rounds < 1 or arguments.files < 1 or not named:
        parser.error("at least one way, one round and one file")
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="bench-batch-") as name:
            folder = Path(name)
            make_files(folder / "files", arguments.files)
            make_model(folder / "model.joblib")
            ways: list[Way] = [
                Ours(folder) if way == report.OURS else PEERS[way] for way in known if way in named
            ]
            found = measure(
                ways,
                folder / "model.joblib",
                folder / "files",
                arguments.reader,
                rounds=arguments.rounds,
            )
            end_children()
    except Void as error:
        sys.stderr.write(f"\nvoid: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped\n")
        return 130
    finally:
        end_children()
    sys.stdout.write(report.table(found))
    if found[-1].name == report.OURS and found[-1].rounds:
        sys.stdout.write("\n" + report.steps(found[-1]))
    lines = list(report.targets(found))
    sys.stdout.write(reached(lines))
    history.keep("batch", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
