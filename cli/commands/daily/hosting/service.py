"""`mle service`: a host as a service of this machine, by systemd."""

import argparse
import getpass
import os
import re
from pathlib import Path
from typing import Any

from cli.commands.daily.hosting.up import host_command
from cli.failures import CommandFailed, UsageFailed
from cli.output.console import confirmed, say
from cli.services.systemd import Systemd
from cli.services.units import SYSTEM, HostService
from cli.verbs import Session, Verb, flag

ACTIONS = ("install", "uninstall", "status")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "MainPID", "Result")


def service(flags: argparse.Namespace, session: Session) -> Any:
    if not _NAME.fullmatch(flags.name):
        raise UsageFailed(f"--name {flags.name!r}: small letters, digits and dashes.")
    act = {"install": install, "uninstall": uninstall, "status": status}[flags.action]
    return act(flags, Systemd(own=not flags.system))


def install(flags: argparse.Namespace, systemd: Systemd) -> Any:
    """Write the units, and start; with `--dry-run` only say so."""
    data_dir = _data_dir(flags)
    asked = ["--data-dir", str(data_dir), *(["--http"] if flags.http else [])]
    command, environment = host_command(asked)
    told = {name: value for name, value in environment.items() if name == "PYTHONPATH"}
    told |= dict(_variable(each) for each in flags.set)
    user = flags.user or getpass.getuser() if flags.system else None
    wanted = HostService(flags.name, flags.listen, data_dir, command, told, user)
    files = wanted.files(_folder(flags))
    steps = [
        systemd.command("daemon-reload"),
        systemd.command("enable", "--now", wanted.socket_name),
        systemd.command("enable", "--now", wanted.service_name),
    ]
    for path, text in files.items():
        say(f"# {path}\n{text}")
    for step in steps:
        say(f"$ {' '.join(step)}")
    if flags.dry_run:
        return
    _make(data_dir)
    for path, text in files.items():
        _write(path, text)
    systemd.do(steps)
    say(
        f"{flags.name} listens on {flags.listen}. `mle login --connection-file "
        f"{data_dir / 'connection.json'}` makes it the host of your commands."
    )


def uninstall(flags: argparse.Namespace, systemd: Systemd) -> Any:
    """Stop it and remove the units; what it has kept stays."""
    paths = [_folder(flags) / f"{flags.name}.{kind}" for kind in ("service", "socket")]
    there = [path for path in paths if path.exists()]
    if not there:
        raise CommandFailed(f"There is no {paths[0]}.", hint="`mle service status`")
    steps = [
        systemd.command("disable", "--now", *(path.name for path in there)),
        systemd.command("daemon-reload"),
    ]
    say("\n".join([f"$ {' '.join(steps[0])}", *(f"rm {path}" for path in there)]))
    if flags.dry_run:
        return
    if not confirmed(f"Stop and remove {flags.name}?", yes=flags.yes):
        raise CommandFailed(f"{flags.name} was not removed.", hint="`--yes` agrees.")
    systemd.do(steps[:1])
    for path in there:
        path.unlink()
    systemd.do(steps[1:])


def status(flags: argparse.Namespace, systemd: Systemd) -> Any:
    """Whether it is there and runs."""
    rows = []
    for kind in ("socket", "service"):
        unit = f"{flags.name}.{kind}"
        found = systemd.shown(unit, *_PROPERTIES)
        if found.get("LoadState") == "not-found":
            raise CommandFailed(f"There is no {unit}.", hint="`mle service install`")
        rows.append(
            {
                "unit": unit,
                "state": f"{found.get('ActiveState', '')} ({found.get('SubState', '')})",
                "process": int(found.get("MainPID") or 0) or None,
                "file": str(_folder(flags) / unit),
            }
        )
    return rows


def _folder(flags: argparse.Namespace) -> Path:
    if flags.system:
        return SYSTEM
    own = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(own) / "systemd" / "user"


def _data_dir(flags: argparse.Namespace) -> Path:
    if flags.data_dir:
        return Path(flags.data_dir).absolute()
    if flags.system:
        return Path("/var/lib", flags.name)
    own = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(own, flags.name)


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\n" in value:
        raise UsageFailed(f"--set {text!r}: NAME=VALUE, a variable of the host's environment.")
    return name, value


def _make(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"{data_dir}: {error.strerror}.") from error


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        hint = "Units of the machine are root's: `sudo`." if path.is_relative_to(SYSTEM) else ""
        raise CommandFailed(f"{path}: {error.strerror}.", hint=hint) from error


VERBS = {
    "service": Verb(
        service,
        "A host as a service of this machine, by systemd, which holds its socket: callers wait "
        "while it restarts. What is written and done is shown.",
        (
            flag("action", choices=ACTIONS, help="what to do"),
            flag("--name", default="ml-endpoints", help="of the units (ml-endpoints)"),
            flag("--system", action="store_true", help="of the machine, not of one's own"),
            flag("--user", help="whom a unit of the machine runs as (you)"),
            flag("--listen", default="127.0.0.1:7443", help="ADDRESS:PORT (127.0.0.1:7443)"),
            flag(
                "--data-dir", help="where everything is kept (~/.local/share/NAME, /var/lib/NAME)"
            ),
            flag("--http", action="store_true", help="plain HTTP, without TLS"),
            flag(
                "--set",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="a setting of the host (docs/settings.md)",
            ),
            flag("--dry-run", action="store_true", help="only show"),
            flag("-y", "--yes", action="store_true", help="do not ask"),
        ),
        columns=("unit", "state", "process"),
    )
}
