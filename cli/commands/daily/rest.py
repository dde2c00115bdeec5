"""`mle rest`: one call of the host's REST API, signed in, as `az rest` makes them."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cli.failures import UsageFailed
from cli.host.arm import Operation
from cli.resources import NO_WAIT, finish
from cli.verbs import Session, Verb, flag

_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")


def rest(flags: argparse.Namespace, session: Session) -> Any:
    """The answer; of what the host goes on with, what there is once that is done."""
    method = flags.method.upper()
    if method not in _METHODS:
        raise UsageFailed(f"{flags.method}: one of {', '.join(_METHODS)}.")
    arm = session.arm
    of_host = flags.path.startswith("/")
    where = f"{arm.context.url}{flags.path}" if of_host else flags.path
    query = {}
    if not of_host and "?" in where:
        where, _, said = where.partition("?")
        query = dict(_pair(each) for each in said.split("&"))
    answer = arm.call(method, where, _body(flags.body), query=query)
    told = answer.read()
    url = answer.headers.get("azure-asyncoperation") or answer.headers.get("location")
    if answer.status in (201, 202) and url and url.startswith(arm.context.url):
        done = finish(session, flags.path, Operation(url, flags.path), no_wait=flags.no_wait)
        if done and method in ("PUT", "PATCH"):
            told = arm.call("GET", where).read()
    if not told:
        return None
    try:
        return json.loads(told)
    except ValueError:
        sys.stdout.buffer.write(told)
        return None


def _pair(text: str) -> tuple[str, str]:
    from urllib.parse import unquote_plus

    name, _, value = text.partition("=")
    return unquote_plus(name), unquote_plus(value)


def _body(said: str | None) -> Any:
    if said is None:
        return None
    text = said
    try:
        if said == "-":
            text = sys.stdin.read()
        elif said.startswith("@"):
            text = Path(said[1:]).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageFailed(f"The body is no JSON: {error}") from error


VERBS = {
    "rest": Verb(
        rest,
        "One call of the REST API, signed in; what the host goes on with is waited for.",
        (
            flag("method", metavar="METHOD", help=", ".join(_METHODS)),
            flag(
                "path",
                metavar="PATH",
                help="below the workspace, such as onlineEndpoints/iris; or from the host's root, "
                "where it begins with /",
            ),
            flag("body", nargs="?", metavar="JSON", help="the body; @FILE, or - for stdin"),
            NO_WAIT,
        ),
        epilog="mle rest GET 'jobs?status=Failed' --query 'value[].name'\n"
        'mle rest PUT clients/ci \'{"properties": {"role": "reader"}}\'',
    )
}
