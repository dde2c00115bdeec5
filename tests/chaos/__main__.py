"""`python -m tests.chaos --seed N --runs N`: batch jobs whose host and workers are killed, over
stores that fail and a queue that doubles and delays; and a deployment whose instances and host are.

Over the fleet that E2E_FLEET names: containers are also paused and cut off, and their engine is
restarted, where it is not one that CONTAINER_TESTS_ENGINE names. Prints each run's seed; a failed
run is replayed with `--seed N --runs 1`.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.ordeal import Arena
from tests.chaos.serving_ordeal import ServingArena
from tests.fleets.chosen import chosen_fleet, chosen_name
from tests.fleets.docker import DockerContainers
from tests.fleets.fleet import Fleet
from tests.servers.engine.dockerd import Dockerd
from tests.servers.engine.required import ENGINE

KINDS = ("batch", "serving")


@contextmanager
def fleet_to_hurt() -> Iterator[Fleet]:
    """The one that is named; with an engine of its own, which may be restarted, where none is."""
    if chosen_name() != "docker" or os.environ.get(ENGINE):
        yield chosen_fleet()
        return
    with Dockerd(Path(tempfile.mkdtemp(prefix="engine-")), alone=True) as dockerd:
        dockerd.api.make_base()

        def restart() -> None:
            dockerd.end()
            dockerd.start()

        yield DockerContainers(dockerd.api, restart)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="of the first run; the next has one more")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--kind", choices=KINDS, help="only these runs; else they take turns")
    parser.add_argument("--data-dir", type=Path, help="keep the data here, to look at it")
    asked = parser.parse_args()
    first = random.SystemRandom().randrange(10**6) if asked.seed is None else asked.seed
    failed: list[int] = []
    begun = time.monotonic()
    with ExitStack() as stack:
        fleet = stack.enter_context(fleet_to_hurt())
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-"))
        folder = asked.data_dir or Path(temporary)
        runs = {
            kind: _arena(stack, kind, folder, fleet) for kind in KINDS if asked.kind in (None, kind)
        }
        for seed in range(first, first + asked.runs):
            kind = list(runs)[seed % len(runs)]
            try:
                told = runs[kind](seed)
            except AssertionError as error:
                failed.append(seed)
                _say(f"seed {seed}: {kind} FAILED: {error}")
            else:
                _say(f"seed {seed}: {told}")
    minutes = (time.monotonic() - begun) / 60
    _say(f"{asked.runs} runs in {minutes:.1f} minutes, {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


def _arena(stack: ExitStack, kind: str, folder: Path, fleet: Fleet) -> Callable[[int], str]:
    """What runs a seed there, and says how it went."""
    if kind == "serving":
        serving = stack.enter_context(ServingArena(folder, fleet))

        def serve(seed: int) -> str:
            before = time.monotonic()
            run = serving.run(seed)
            done, took = ", ".join(run.done), time.monotonic() - before
            return f"serving, {done}: {run.answers} answers, {run.faults} not, {took:.1f} s"

        return serve
    arena = stack.enter_context(Arena(folder, fleet))
    expected = arena.undisturbed()
    for trial, calm in expected.items():
        _say(
            f"{trial.endpoint}, undisturbed: {calm.duration:.1f} s, "
            f"{len(calm.output)} bytes, {calm.bundled} units in bundles"
        )

    def work(seed: int) -> str:
        run = arena.run(seed, expected)
        done, bundled = ", ".join(run.done), f"{run.bundled} units in bundles"
        return f"{run.kind}, {done}, {bundled}, {run.seconds:.1f} s: same"

    return work


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
