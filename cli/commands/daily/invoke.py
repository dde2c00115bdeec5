"""`mle invoke`: ask a model, or start a batch job and watch it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cli.commands.by_resource.job import ended, watch
from cli.commands.by_resource.online_endpoint import ask
from cli.failures import NotFound, UsageFailed
from cli.host.arm import path
from cli.verbs import Session, Verb, flag


def run(flags: argparse.Namespace, session: Session) -> Any:
    endpoint, _, deployment = flags.endpoint.partition("/")
    if session.arm.find(path("onlineEndpoints", endpoint)) is not None:
        kind = flags.content_type or "application/json"
        ask(session, endpoint, _body(flags), deployment or None, kind)
        return None
    if session.arm.find(path("batchEndpoints", endpoint)) is None:
        raise NotFound(f"There is no endpoint {endpoint!r}.", hint="`mle status` lists them.")
    from cli.commands.by_resource import batch_endpoint

    if not flags.data:
        raise UsageFailed("A batch endpoint scores files: `mle invoke ENDPOINT FOLDER`.")
    job = batch_endpoint.start(session, endpoint, flags.data, deployment or None)
    return job if flags.no_wait else ended(watch(session, job["name"]))


def _body(flags: argparse.Namespace) -> bytes:
    if flags.data is None or flags.data == "-":
        return sys.stdin.buffer.read()
    if flags.data.lstrip()[:1] in ("{", "["):
        try:
            json.loads(flags.data)
        except ValueError as error:
            raise UsageFailed(f"The body is no JSON: {error}") from error
        return str(flags.data).encode()
    try:
        return Path(flags.data.removeprefix("@")).read_bytes()
    except OSError as error:
        raise UsageFailed(f"{flags.data} can't be read: {error.strerror}") from error


VERBS = {
    "invoke": Verb(
        run,
        "Ask an online endpoint, or start a job of a batch endpoint and watch it.",
        (
            flag("endpoint", metavar="ENDPOINT[/DEPLOYMENT]"),
            flag(
                "data", nargs="?", help="JSON, a file, - for stdin; of a batch endpoint its input"
            ),
            flag("--content-type", help="of the body (application/json)"),
            flag("--no-wait", action="store_true", help="of a batch endpoint: do not watch"),
        ),
    )
}
