"""What the steps stand on: a client of the running host's, and a list of what they do.

Run in an environment that has azure-ai-ml and nothing else, with AZUREML_DEV_URL_MFE and
REQUESTS_CA_BUNDLE saying where the host is; arguments are its connection file, a folder, and the
steps to do if not all. Each step writes a line of JSON, and one that fails ends none of those after
it."""

import json
import ssl
import sys
import time
import traceback
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken

CONNECTION = json.loads(Path(sys.argv[1]).read_text())
WORK = Path(sys.argv[2])
"""A folder of this run's own."""
_, _, SUBSCRIPTION, _, GROUP, *_, WORKSPACE = CONNECTION["workspace"].split("/")
TRUST = ssl.create_default_context(cafile=CONNECTION["ca_file"])
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
CONDA = "name: bare\ndependencies:\n  - python=3.11\n"


class HostCredential:
    """Asks the host's own issuer for tokens of the audiences that the SDK names."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, ...], AccessToken] = {}

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        if scopes not in self._tokens:
            self._tokens[scopes] = self._asked(scopes)
        return self._tokens[scopes]

    def _asked(self, scopes: tuple[str, ...]) -> AccessToken:
        form = {
            "grant_type": "client_credentials",
            "client_id": CONNECTION["client_id"],
            "client_secret": CONNECTION["client_secret"],
            "scope": " ".join(scopes),
        }
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(CONNECTION["token_url"], body, context=TRUST) as answer:
            token = json.load(answer)
        return AccessToken(token["access_token"], int(time.time()) + token["expires_in"])


client = MLClient(HostCredential(), SUBSCRIPTION, GROUP, WORKSPACE)
_steps: list[tuple[str, Callable[[], None]]] = []


def step(run: Callable[[], None]) -> Callable[[], None]:
    """One of those that `play` does, in the order they are written."""
    _steps.append((run.__name__, run))
    return run


def play() -> None:
    chosen = sys.argv[3:]
    for name, run in _steps:
        if chosen and name not in chosen:
            continue
        told: dict[str, Any] = {"step": name}
        try:
            run()
        except BaseException as error:  # whatever ends a step is what it tells
            told["error"] = f"{type(error).__name__}: {error}"[:1500]
            told["where"] = traceback.format_exc()[-2500:]
        sys.stdout.write(f"\n{json.dumps(told)}\n")
        sys.stdout.flush()


def same(found: Any, wanted: Any) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r} is not {wanted!r}")


def refused(run: Callable[[], Any], *words: str) -> None:
    """`run` fails, and says why in these words."""
    try:
        run()
    except Exception as error:  # the SDK refuses by errors of many kinds
        missing = [word for word in words if word not in str(error)]
        if missing:
            raise AssertionError(f"{error} does not say {missing}") from error
        return
    raise AssertionError("it was not refused")


def file(name: str, text: str) -> Path:
    """A file of the run's own, with its folders."""
    path = WORK / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
