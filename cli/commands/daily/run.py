"""`mle run`: one deployment in the foreground, to debug it, with reload on change.

It runs on a host of its own, so that bodies, keys, limits and logs are those of every host; that
host's folder is kept by project, and with it the built environment.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cli.assets.content import files_of
from cli.commands.daily.hosting.up import host_command
from cli.commands.daily.logs import LogReader
from cli.deploying.carrying_out import carry_out
from cli.deploying.debugging import under_debugger
from cli.deploying.plan import plan_of
from cli.deploying.sources import Source, read_sources
from cli.failures import CommandFailed, UsageFailed
from cli.host.arm import Arm, path
from cli.host.contexts import from_connection_file
from cli.kinds.assets import REMOTE
from cli.output.console import say
from cli.verbs import Session, Verb, flag

_READY_WITHIN = 300.0
_EVERY = 0.5
_LINES = 2000
_IN_CONTAINERS = {"ML_ENDPOINTS_COMPUTE": "docker"}
_DEBUGGED = {"ML_ENDPOINTS_ISOLATION": "off"}
"""The script runs from the user's own folder, which a cell would not show it."""


def run(flags: argparse.Namespace, session: Session) -> Any:
    if flags.image and flags.debugger:
        raise UsageFailed("--debugger: not with --image; it debugs a process of this machine.")
    sources = _sources(flags)
    folder = Path(flags.data_dir) if flags.data_dir else _kept(flags)
    settings = _IN_CONTAINERS if flags.image else _DEBUGGED if flags.debugger else {}
    with _until_told(), _host(folder, flags.port, settings) as connection_file:
        session.replace(Arm(from_connection_file(connection_file)))
        seen = _seen(sources)  # Before: what is saved meanwhile is another change.
        try:
            deployment = _deployed(session, sources)
            _tell(session, deployment, flags.debugger)
            if not flags.once:
                _follow(flags, session, deployment, seen)
        except KeyboardInterrupt:
            say("\nStopped.")
        finally:
            if flags.image:  # A container outlives the host that has started it.
                endpoint = path("onlineEndpoints", sources[-1].endpoint)
                session.arm.wait(session.arm.change("DELETE", endpoint))
    return None


def _follow(
    flags: argparse.Namespace, session: Session, deployment: Source, deployed: object
) -> None:
    """Write what it prints, and deploy anew whatever changes."""
    where = path("onlineEndpoints", deployment.endpoint, "deployments", deployment.name)
    reader = LogReader(session, f"{where}/getLogs", {"tail": _LINES})
    while True:
        sys.stdout.write(reader.read())
        sys.stdout.flush()
        time.sleep(_EVERY)
        try:
            sources = _sources(flags)
            found = _seen(sources)
        except CommandFailed:
            continue  # Half-written; it is looked at again.
        if found != deployed:
            deployed = found
            say("Changed: deploying anew.")
            try:
                _deployed(session, sources)
            except CommandFailed as failed:
                say(f"{failed.message}\n" + "\n".join(failed.faults))


def _sources(flags: argparse.Namespace) -> list[Source]:
    """One deployment with its endpoint, which need not be described. Raises UsageFailed."""
    found = read_sources(flags.paths, flags.set)
    deployments = [each for each in found if each.kind == "online-deployment"]
    if flags.deployment:
        deployments = [each for each in deployments if each.name == flags.deployment]
    if len(deployments) != 1:
        names = ", ".join(each.name for each in found if each.kind == "online-deployment")
        raise UsageFailed(f"One online deployment runs at a time; there: {names or 'none'}.")
    chosen = deployments[0]
    fields = {**chosen.fields, "instance_count": 1}
    fields.pop("scale_settings", None)
    endpoint = {"name": chosen.endpoint, "auth_mode": "key", "traffic": {chosen.name: 100}}
    for each in found:
        if each.kind == "online-endpoint" and each.name == chosen.endpoint:
            endpoint["auth_mode"] = each.fields["auth_mode"]
    assets = [each for each in found if each.kind in ("model", "environment")]
    deployment = Source(chosen.kind, chosen.name, fields, chosen.file, chosen.endpoint)
    return [
        *assets,
        Source("online-endpoint", chosen.endpoint, endpoint, chosen.file),
        under_debugger(deployment, flags.debugger) if flags.debugger else deployment,
    ]


def _seen(sources: list[Source]) -> object:
    """What is another thing once a file has been saved; large models are not read for it."""
    whole: list[object] = []
    for source in sources:
        whole.append(source.fields)
        code = (source.fields.get("code_configuration") or {}).get("code")
        for asset in (code, source.fields.get("model")):
            place = asset.get("path") if isinstance(asset, dict) else None
            if place and not REMOTE.match(place):
                whole.append(files_of(Path(place)))
    return whole


def _deployed(session: Session, sources: list[Source]) -> Source:
    carry_out(session, plan_of(session.arm, sources, prune=True))
    return sources[-1]


def _tell(session: Session, deployment: Source, debugger: int | None) -> None:
    endpoint = session.arm.get(path("onlineEndpoints", deployment.endpoint))["properties"]
    connection = session.context.connection_file
    say(f"\n{deployment.endpoint}/{deployment.name} answers at {endpoint['scoringUri']}")
    say(f"  MLE_CONNECTION={connection} mle invoke {deployment.endpoint} REQUEST")
    if debugger:
        say(f"  debuggers attach at 127.0.0.1:{debugger}, and set breakpoints in your files")
    say("Changes are deployed as they are saved; Ctrl-C ends it.\n")


@contextmanager
def _until_told() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does: else its host would go on alone."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _host(folder: Path, port: int, settings: Mapping[str, str]) -> Iterator[Path]:
    """A host of its own while this goes on. Raises CommandFailed when it does not come up."""
    folder.mkdir(parents=True, exist_ok=True)
    connection = folder / "connection.json"
    connection.unlink(missing_ok=True)
    command, environment = host_command(["--port", str(port), "--data-dir", str(folder)])
    log_file = folder / "host.log"
    with log_file.open("wb") as log:
        host = subprocess.Popen(
            command,
            env={**environment, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for this command; the host is stopped in order.
        )
        try:
            ends = time.monotonic() + _READY_WITHIN
            while not connection.exists():
                if host.poll() is not None or time.monotonic() > ends:
                    said = log_file.read_text(errors="replace").strip()[-2000:]
                    raise CommandFailed(f"The host did not come up:\n{said}")
                time.sleep(0.02)
            yield connection
        finally:
            host.terminate()
            try:
                host.wait(timeout=30)
            except subprocess.TimeoutExpired:
                host.kill()


def _kept(flags: argparse.Namespace) -> Path:
    """By what is run, and how: a host's folder is not for containers once and processes then."""
    how = [each for each in ("image", "debugger") if getattr(flags, each)]
    paths = [*flags.paths, *how]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    whole = "\n".join(str(Path(each).absolute()) for each in paths)
    return Path(cache) / "mle" / "run" / hashlib.sha256(whole.encode()).hexdigest()[:16]


VERBS = {
    "run": Verb(
        run,
        "Run one online deployment in the foreground, with its log; changes are deployed anew.",
        (
            flag("paths", nargs="+", metavar="FILE|FOLDER", help="where it is described"),
            flag("-d", "--deployment", help="which, where there are several"),
            flag("--port", type=int, default=0, help="the host's port (a free one)"),
            flag("--data-dir", help="what it keeps (by project, in the user's cache)"),
            flag("--once", action="store_true", help="end once it answers: to try a deployment"),
            flag(
                "--image",
                action="store_true",
                help="in a container of the image that it has elsewhere; needs a Docker Engine",
            ),
            flag(
                "--debugger",
                nargs="?",
                type=int,
                const=5678,
                metavar="PORT",
                help="have debuggers attach there (5678) by the Debug Adapter Protocol: the script "
                "runs from your own folder, without isolation, and a request may stop for five "
                "minutes; debugpy is added to a conda file's packages",
            ),
            flag("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE"),
        ),
    )
}
