"""`python -m tests.servers.engine [--app] [COMMAND ...]`: run a command with a Docker Engine up on
this machine, the base image made, and its address in the environment as the suites over containers
read it; with `--app` as the app reads it, so that models run there. Without a command it stays up
until Ctrl-C. It ends, with all its containers, with the command."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.engine.dockerd import Dockerd, EngineMissing, settings_of
from tests.servers.engine.required import ENGINE


def main(command: list[str]) -> int:
    folder = Path(tempfile.mkdtemp(prefix="ml-endpoints-engine-"))
    try:
        with Dockerd(folder) as engine:
            engine.api.make_base()
            told = {ENGINE: engine.api.url}
            if command[:1] == ["--app"]:
                told, command = dict(settings_of(engine.api)), command[1:]
            if command:
                return subprocess.call(command, env={**os.environ, **told})
            for name, value in {**told, **settings_of(engine.api)}.items():
                sys.stdout.write(f"export {name}='{value}'\n")
            sys.stdout.flush()
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
            return 0
    except EngineMissing as error:
        sys.stderr.write(f"no container engine: {error}\n")
        return 1


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM} if len(sys.argv) == 1 else set())
    sys.exit(main(sys.argv[1:]))
