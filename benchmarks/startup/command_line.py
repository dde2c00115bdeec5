"""What a command of `mle` takes of the processor, beside Python itself.

    python -m benchmarks.startup.command_line

Each is run so many times in turn, so that a busy machine is as busy for all; the least CPU time of
each is told, since whatever else ran can only add to it.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from outside.running_host import RunningHost

ROUNDS = 15
GOALS = {"--help": 80, "online-endpoint show": 120}
"""Milliseconds where bare Python takes 15."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, RunningHost(Path(folder) / "data") as host:
        environment = {
            **os.environ,
            "MLE_CONNECTION": str(host.data_dir / "connection.json"),
            "MLE_CONFIG_DIR": str(Path(folder) / "config"),
        }
        mle = [sys.executable, "-m", "cli"]
        commands = {
            "bare Python": [sys.executable, "-c", "pass"],
            "--help": [*mle, "--help"],
            "online-endpoint show --help": [*mle, "online-endpoint", "show", "--help"],
            "online-endpoint show": [*mle, "online-endpoint", "show", "-n", "shop"],
            "status": [*mle, "status"],
        }
        subprocess.run(
            [*mle, "online-endpoint", "create", "-n", "shop"], env=environment, check=True
        )
        least = dict.fromkeys(commands, float("inf"))
        for _ in range(ROUNDS):
            for name, command in commands.items():
                least[name] = min(least[name], _cpu_milliseconds(command, environment))
    bare = least["bare Python"]
    for name, taken in least.items():
        goal = f", goal {GOALS[name] / 15:.1f} x" if name in GOALS else ""
        sys.stdout.write(
            f"{name:<30} {taken:6.1f} ms CPU, {taken / bare:.1f} x bare Python{goal}\n"
        )


def _cpu_milliseconds(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


if __name__ == "__main__":
    main()
