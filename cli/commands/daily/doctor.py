"""`mle doctor`: what stands between you and the host, looked at in order."""

import argparse
import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from cli.failures import CommandFailed, Exit
from cli.host import contexts
from cli.host.arm import Arm
from cli.host.contexts import Context
from cli.output.console import say
from cli.verbs import Session, Verb

Look = tuple[str, Callable[[], str], str]
"""What is looked at, what it says, and what to do when it fails."""


def doctor(flags: argparse.Namespace, session: Session) -> Any:
    """Each look says what it found; the first that fails ends it."""
    try:
        context = contexts.chosen(flags.context)
    except CommandFailed as error:
        return _failed("A host is known", error, error.hint)
    say(f"  ok    A host is known: {context.name}: {context.url}")
    arm = Arm(context)
    try:
        return _looked(_looks(context, arm))
    finally:
        arm.close()


def _looks(context: Context, arm: Arm) -> list[Look]:
    return [
        (
            "It is reached",
            lambda: _reached(context),
            "Is it up? A firewall, a proxy, another port, an unknown CA?",
        ),
        ("It is ready", lambda: _ready(arm), "Its log says what it waits for."),
        ("It gives a token", lambda: _token(arm), "`mle login` takes a new client id and secret."),
        (
            "The workspace may be read",
            lambda: f"workspace {arm.get('')['name']}",
            "The client's role must be reader at least.",
        ),
    ]


def _looked(looks: list[Look]) -> Exit | None:
    for what, look, hint in looks:
        try:
            say(f"  ok    {what}: {look()}")
        except (CommandFailed, OSError) as error:
            return _failed(what, error, hint)
    return None


def _failed(what: str, error: Exception, hint: str) -> Exit:
    message = error.message if isinstance(error, CommandFailed) else str(error)
    say(f"  FAIL  {what}: {message}\n        {hint}")
    return Exit.FAILED


def _reached(context: Context) -> str:
    parts = urlsplit(context.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname or "", port), timeout=10) as raw:
        if parts.scheme != "https":
            return f"connected to {raw.getpeername()[0]}, over plain HTTP"
        trust = ssl.create_default_context(cafile=context.ca_file)
        with trust.wrap_socket(raw, server_hostname=parts.hostname) as secured:
            return f"connected to {secured.getpeername()[0]} by {secured.version()}"


def _ready(arm: Arm) -> str:
    answer = arm.wire.send("GET", f"{arm.context.url}/readyz", {})
    answer.read()
    if answer.status != 200:
        raise CommandFailed(f"/readyz answers {answer.status}: the host is not ready.")
    return "ready"


def _token(arm: Arm) -> str:
    arm.tokens.token(anew=True)
    return f"by {arm.context.credential['kind']}"


VERBS = {"doctor": Verb(doctor, "Look at what stands between you and the host.")}
