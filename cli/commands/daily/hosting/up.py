"""`mle up`: a host on this machine, in the foreground."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from cli.failures import CommandFailed
from cli.verbs import Session, Verb, flag

# What the host is made of, and the thin command line is not.
_NEEDED = ("aiohttp", "azure.functions", "pydantic", "uvicorn")


def up(flags: argparse.Namespace, session: Session) -> Any:
    """Becomes the host: signals and the exit code are its own."""
    asked = ["--welcome", "--port", str(flags.port), "--host", flags.host]
    asked += ["--data-dir", flags.data_dir]
    asked += ["--http"] if flags.http else []
    asked += ["--take-over"] if flags.take_over else []
    command, environment = host_command(asked)
    sys.stderr.write(f"Starting; everything is kept in {Path(flags.data_dir).absolute()}\n")
    sys.stderr.flush()
    os.execve(command[0], command, environment)


def host_command(asked: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command that starts a host, and its environment. Raises CommandFailed where the host
    isn't installed."""
    missing = [name for name in _NEEDED if not _there(name)]
    if missing:
        raise CommandFailed(
            f"The host isn't installed here: {', '.join(missing)} is missing.",
            hint="`pip install 'mlectl[host]'`, or `mle login` for a host elsewhere.",
        )
    app = Path(__file__).absolute().parents[4]
    paths = [str(app), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    return [sys.executable, "-m", "infra.embedded", *asked], environment


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


VERBS = {
    "up": Verb(
        up,
        "Start a host on this machine, until Ctrl-C. Commands typed in this folder find it.",
        (
            flag("--port", type=int, default=7443, help="0 takes a free one (7443)"),
            flag("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)"),
            flag("--data-dir", default=".data", help="where everything is kept (.data)"),
            flag("--http", action="store_true", help="plain HTTP, without TLS"),
            flag(
                "--take-over",
                action="store_true",
                help="take the place of the host that runs there, with no request lost",
            ),
        ),
    )
}
