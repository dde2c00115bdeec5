"""`mle az-shim`: scripts that say `az ml …` run unchanged against a host.

It answers `az ml`, `az identity`, `az role assignment` and what scripts ask of `az account`,
`az configure`, `az config` and `az group`; all else goes to a real `az`, and is refused by name
where there is none, with what stands for it here.
"""

import argparse
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

from cli.commands.daily.azure.az_answers import ANSWERS
from cli.failures import CommandFailed, Exit, UsageFailed
from cli.output.console import say
from cli.verbs import Session, Verb, flag

_SCRIPT = """#!/bin/sh
# Written by `mle az-shim --install`.
PYTHONPATH={path}${{PYTHONPATH:+:$PYTHONPATH}} exec {python} -m cli az-shim -- "$@"
"""
_INSTEAD = {
    "acr": "images are built from a `build` context of an environment (docs/containers.md).",
    "keyvault": "secrets reach a script as `environment_variables` of its deployment.",
    "monitor": "`scale_settings` of a deployment scale it, and `mle alert` watches figures.",
    "storage": "`mle data create` uploads files; azcopy and Blob's REST work, too "
    "(docs/blob-rest.md).",
    "vm": "this host needs no machine beside it.",
}
"""By group: what does here what scripts ask it for."""


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
    for length in (2, 1):
        answer = ANSWERS.get(tuple(words[:length]))
        if answer is not None:
            answer(words[length:])
            return int(Exit.DONE)
    real = _real_az()
    if real is None:
        raise CommandFailed(
            f"`az {' '.join(words[:2])}` is not answered here, and there is no other `az`.",
            hint=_INSTEAD.get(words[0] if words else "")
            or "`az ml`, `az identity`, `az role assignment`, `az account`, `az configure` and "
            "`az group show` are. Install Azure's for the rest.",
        )
    os.execv(real, [real, *words])


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
    app = Path(__file__).absolute().parents[4]
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
