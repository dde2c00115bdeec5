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


def doctor(flags: argparse.Namespace, session: Session) -> Any:
    """Each look says what it found; the first that fails ends it."""
    context: Context | None = None
    arm: Arm | None = None

    def find() -> str:
        nonlocal context
        context = contexts.chosen(flags.context)
        return f"{context.name}: {context.url}"

    def reach() -> str:
        assert context is not None
        parts = urlsplit(context.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=10) as raw:
            if parts.scheme != "https":
                return f"connected to {raw.getpeername()[0]}, over plain HTTP"
            trust = ssl.create_default_context(cafile=context.ca_file)
            with trust.wrap_socket(raw, server_hostname=parts.hostname) as secured:
                return f"connected to {secured.getpeername()[0]} by {secured.version()}"

    def live() -> str:
        nonlocal arm
        assert context is not None
        arm = Arm(context)
        answer = arm.wire.send("GET", f"{context.url}/readyz", {})
        answer.read()
        if answer.status != 200:
            raise CommandFailed(f"/readyz answers {answer.status}: the host is not ready.")
        return "ready"

    def sign_in() -> str:
        assert arm is not None
        arm.tokens.token(anew=True)
        return f"by {arm.context.credential['kind']}"

    def read() -> str:
        assert arm is not None
        return f"workspace {arm.get('')['name']}"

    looks: list[tuple[str, Callable[[], str], str]] = [
        ("A host is known", find, "`mle up` starts one; `mle login` names another."),
        ("It is reached", reach, "Is it up? A firewall, a proxy, another port, an unknown CA?"),
        ("It is ready", live, "Its log says what it waits for."),
        ("It gives a token", sign_in, "`mle login` takes a new client id and secret."),
        ("The workspace may be read", read, "The client's role must be reader at least."),
    ]
    try:
        return _looked(looks)
    finally:
        if arm is not None:
            arm.close()


def _looked(looks: list[tuple[str, Callable[[], str], str]]) -> Exit | None:
    for what, look, hint in looks:
        try:
            say(f"  ok    {what}: {look()}")
        except (CommandFailed, OSError) as error:
            message = error.message if isinstance(error, CommandFailed) else str(error)
            say(f"  FAIL  {what}: {message}\n        {hint}")
            return Exit.FAILED
    return None


VERBS = {"doctor": Verb(doctor, "Look at what stands between you and the host.")}
