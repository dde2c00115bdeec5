"""`mle az-shim`: scripts that say `az ml …` run unchanged against a host.

It answers `az ml`, `az identity`, `az role assignment`, `az configure`, `az account show|set`,
`az extension`, `az login` and `az version`; all else goes to a real `az`, and is refused by name
where there is none.
"""

import argparse
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

from cli.failures import CommandFailed, Exit, UsageFailed
from cli.host.contexts import chosen
from cli.output import formats
from cli.output.console import say
from cli.verbs import Session, Verb, flag

_SCRIPT = """#!/bin/sh
# Written by `mle az-shim --install`.
PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}} exec {python} -m cli az-shim -- "$@"
"""
_ACCEPTED = {("login",), ("logout",), ("extension",), ("account", "set"), ("configure",)}


def run(flags: argparse.Namespace, session: Session) -> Any:
    if flags.install:
        return _install(Path(flags.install))
    words = flags.words[1:] if flags.words[:1] == ["--"] else flags.words
    return Exit(answered(words))


def answered(words: list[str]) -> int:
    """Do what `az` would be asked to do by these words; the exit code."""
    from cli.main import main

    if words[:1] == ["ml"]:
        return main(words[1:])
    if words[:1] == ["identity"]:
        return main(words)
    if words[:2] == ["role", "assignment"]:
        return main(["role-assignment", *words[2:]])
    if words[:2] == ["account", "show"]:
        _account(words[2:])
        return int(Exit.DONE)
    if tuple(words[:1]) in _ACCEPTED or tuple(words[:2]) in _ACCEPTED:
        return int(Exit.DONE)
    if words[:1] in (["version"], ["--version"]):
        sys.stdout.write('{"azure-cli": "mle az-shim", "extensions": {"ml": "mle"}}\n')
        return int(Exit.DONE)
    real = _real_az()
    if real is None:
        raise CommandFailed(
            f"`az {' '.join(words[:2])}` is not answered here, and there is no other `az`.",
            hint="`az ml`, `az identity`, `az role assignment`, `az configure` and `az account "
            "show` are. Install Azure's for the rest.",
        )
    os.execv(real, [real, *words])


def _account(words: list[str]) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--query")
    parser.add_argument("-o", "--output", default="json")
    asked, _ = parser.parse_known_args(words)
    context = chosen(None)
    subscription = context.workspace.split("/")[2]
    account = {
        "id": subscription,
        "name": context.name,
        "state": "Enabled",
        "isDefault": True,
        "tenantId": "00000000-0000-0000-0000-000000000000",
        "user": {"name": context.credential.get("client_id", ""), "type": "servicePrincipal"},
    }
    formats.write(account, form=asked.output, query=asked.query)


def _real_az() -> str | None:
    """Another `az` on PATH than one that leads here."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = shutil.which("az", path=folder) if folder else None
        if found and b"mle az-shim" not in Path(found).read_bytes()[:200]:
            return found
    return None


def _install(folder: Path) -> None:
    script = folder / "az"
    if script.exists() and b"mle az-shim" not in script.read_bytes()[:200]:
        raise UsageFailed(f"{script} is somebody else's; choose an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    app = Path(__file__).absolute().parents[3]
    script.write_text(_SCRIPT.format(path=app, python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    say(f'export PATH="{folder.absolute()}:$PATH"')


VERBS = {
    "az-shim": Verb(
        run,
        "Answer scripts that say `az ml …`: `--install FOLDER`, then FOLDER first on PATH.",
        (
            flag("--install", metavar="FOLDER", help="write an `az` there that leads here"),
            flag("words", nargs=argparse.REMAINDER, metavar="-- AZ WORDS"),
        ),
    )
}
