"""Azure's REST APIs as whoever is logged in to the Azure CLI."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

ATTEMPTS = 6
_FIRST_PAUSE = 2.0
_PASSES = (
    "Too Many Requests(",
    "Internal Server Error(",
    "Bad Gateway(",
    "Service Unavailable(",
    "Gateway Timeout(",
    "Max retries exceeded",
    "Connection aborted",
    "Connection reset",
    "timed out",
)
"""In what the CLI says of a fault that may pass."""
_ABSENT = "Not Found("


Run = Callable[..., subprocess.CompletedProcess[str]]
"""A program by its name, with arguments."""


class Failed(Exception):
    """Says what was tried and what the CLI said."""


class Absent(Failed):
    """What was asked for is not there."""


class AzureCli:
    """`subscription` is whose resources are meant, whatever the CLI's default is. Faults that may
    pass are waited out, some two minutes altogether."""

    def __init__(self, subscription: str, run: Run, wait: Callable[[float], None]) -> None:
        self.subscription = subscription
        self._run = run
        self._wait = wait

    def rest(
        self, method: str, url: str, body: object = None, *, prefer: str = "", patient: bool = False
    ) -> Any:
        """What is answered, None for nothing. Raises Absent for what is not there; `patient` waits
        for it, as for what has just been made elsewhere."""
        arguments = ["rest", "--method", method, "--url", url]
        if prefer:
            arguments += ["--headers", f"Prefer={prefer}"]
        if body is None:
            return self._answered(arguments, patient)
        # By a file that nobody else may read: arguments are shown to every user of the machine.
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "body.json")
            with open(file, "w", encoding="utf-8") as stream:
                json.dump(body, stream)
            headers = [] if prefer else ["--headers"]
            told = [*arguments, *headers, "Content-Type=application/json", "--body", f"@{file}"]
            return self._answered(told, patient)

    def pages(self, url: str) -> list[Any]:
        """All of a list, of Azure Resource Manager or of Microsoft Graph."""
        found: list[Any] = []
        following: str | None = url
        while following:
            page = self.rest("GET", following)
            found += page["value"]
            following = page.get("nextLink") or page.get("@odata.nextLink")
        return found

    def show(self, *arguments: str) -> Any:
        return self._answered([*arguments], patient=False)

    def _answered(self, arguments: list[str], patient: bool) -> Any:
        for attempt in itertools.count(1):
            ran = self._run("az", *arguments, "--output", "json")
            if ran.returncode == 0:
                return json.loads(ran.stdout) if ran.stdout.strip() else None
            absent = _ABSENT in ran.stderr
            passes = any(sign in ran.stderr for sign in _PASSES) or (absent and patient)
            if not passes or attempt == ATTEMPTS:
                kind = Absent if absent else Failed
                raise kind(f"`az {' '.join(arguments[:5])}` failed:\n{ran.stderr.strip()}")
            self._wait(_FIRST_PAUSE * 2 ** (attempt - 1))


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Raises Failed if there is no such program."""
    found = shutil.which(program)
    if found is None:
        raise Failed(f"`{program}` is needed and is not here: see docs/azure.md.")
    return subprocess.run([found, *arguments], capture_output=True, text=True, check=False)


def keep(run: Run, values: Mapping[str, str], environment: str) -> None:
    """In azd's environment, for this and later runs on this machine. Never a secret."""
    for name, value in values.items():
        ran = run("azd", "env", "set", name, value, "--environment", environment)
        if ran.returncode:
            raise Failed(f"`azd env set {name}` failed:\n{ran.stderr.strip()}")
