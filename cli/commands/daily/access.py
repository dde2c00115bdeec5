"""`mle login`, `use` and `logout`: which host, and as whom."""

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.failures import CommandFailed, Refused, UsageFailed
from cli.host import contexts, keyring_secrets
from cli.host.arm import Arm
from cli.host.contexts import Context
from cli.host.wire import Wire
from cli.output.console import say
from cli.verbs import Session, Verb, flag

_LOCAL_WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
)


def login(flags: argparse.Namespace, session: Session) -> Any:
    """Remember a host, once it has answered."""
    if flags.connection_file:
        context = contexts.from_connection_file(Path(flags.connection_file), flags.name or "local")
    elif flags.url:
        context = _by_url(flags)
    else:
        raise UsageFailed(
            "Where is the host?",
            hint="`--url https://…`, or `--connection-file .data/connection.json`.",
        )
    arm = Arm(context)
    try:
        workspace = arm.get("")["name"]
    except Refused as refused:
        if refused.status != 403:
            raise
        # Whoever has a role for one endpoint alone may not read the workspace.
        workspace = context.workspace.rsplit("/", 1)[-1]
    finally:
        arm.close()
    context, place = _kept(context)
    contexts.keep(context, choose=True)
    say(f"{context.name}: workspace {workspace} at {context.url}")
    if place:
        say(f"The client's secret is in {place}.")


def _kept(context: Context) -> tuple[Context, str]:
    """The context as it is kept, and where the secret is that it was signed in with, if any: in
    the keyring where there is one, else in the file."""
    credential = context.credential
    if credential.get("kind") != "client" or context.connection_file:
        return context, ""
    others = {name: each for name, each in credential.items() if name != "client_secret"}
    client, secret = (credential["client_id"], credential["token_url"]), credential["client_secret"]
    keyring = keyring_secrets.keep(*client, secret)
    if keyring:
        return context._replace(
            credential={**others, "keyring": keyring}
        ), f"the keyring, {keyring}"
    return context, f"{contexts.file()}, which your user alone may read"


def _by_url(flags: argparse.Namespace) -> Context:
    url = flags.url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path:
        raise UsageFailed(f"--url {flags.url!r}: https://HOST[:PORT] belongs here.")
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise UsageFailed("Over plain HTTP anybody on the way reads the secret: use https.")
    if flags.az:
        credential = {"kind": "az", "resource": flags.az}
    elif flags.token_variable:
        credential = {"kind": "variable", "name": flags.token_variable}
    else:
        credential = _client(flags, url)
    workspace = flags.workspace or _LOCAL_WORKSPACE
    ca_file = str(Path(flags.ca_file).absolute()) if flags.ca_file else None
    return Context(flags.name or parts.hostname, url, workspace, credential, ca_file)


def _client(flags: argparse.Namespace, url: str) -> dict[str, str]:
    secret = os.environ.get("MLE_CLIENT_SECRET")
    client = flags.client_id or os.environ.get("MLE_CLIENT_ID")
    if not client:
        raise UsageFailed(
            "As whom?",
            hint="`--client-id ID`; its secret is asked for, or taken from MLE_CLIENT_SECRET.",
        )
    if secret is None:
        if not sys.stdin.isatty():
            secret = sys.stdin.readline().strip()
        else:
            secret = getpass.getpass(f"Secret of {client}: ")
    token_url = flags.token_url or _token_url(url, flags.ca_file)
    credential = {
        "kind": "client",
        "token_url": token_url,
        "client_id": client,
        "client_secret": secret,
    }
    if flags.scope:
        credential["scope"] = flags.scope
    return credential


def _token_url(url: str, ca_file: str | None) -> str:
    """What the host says of its own issuer. Raises CommandFailed when it says nothing."""
    wire = Wire(ca_file, url)
    try:
        answer = wire.send("GET", f"{url}/.well-known/openid-configuration", {})
        body = answer.read()
    finally:
        wire.close()
    try:
        told: str = json.loads(body)["token_endpoint"]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(
            f"{url} does not say where tokens come from.", hint="`--token-url` names it."
        ) from error
    if urlsplit(told).scheme != "https" and urlsplit(told).hostname != urlsplit(url).hostname:
        raise CommandFailed(f"Tokens would come from {told}: not over HTTPS.")
    return told


def _in_keyring(credential: dict[str, str]) -> tuple[str, str] | None:
    """Whose secret the keyring has, if it has it."""
    known = "keyring" in credential
    return (credential["client_id"], credential["token_url"]) if known else None


def use(flags: argparse.Namespace, session: Session) -> Any:
    """Choose a context, or list them."""
    if flags.name:
        contexts.use(flags.name)
        say(f"From here on: {flags.name}")
        return None
    known, current = contexts.known()
    return [
        {
            "name": name,
            "current": name == current,
            "url": kept["url"],
            "workspace": kept["workspace"].rsplit("/", 1)[-1],
        }
        for name, kept in sorted(known.items())
    ]


def logout(flags: argparse.Namespace, session: Session) -> Any:
    """Forget a context with its secret, or the chosen one."""
    name = flags.name or contexts.known()[1]
    if not name:
        raise UsageFailed("There is nothing to forget.")
    kept, _ = contexts.known()
    contexts.forget(name)
    clients = {other: _in_keyring(each["credential"]) for other, each in kept.items()}
    client = clients.pop(name)
    if client is not None and client not in clients.values():
        keyring_secrets.forget(*client)
    say(f"{name} is forgotten.")


VERBS = {
    "login": Verb(
        login,
        "Remember a host and how to sign in there; it is the one that is used from then on.",
        (
            flag("--url", help="https://HOST[:PORT]"),
            flag("--connection-file", metavar="FILE", help="of an embedded host on this machine"),
            flag("--name", help="what to call it (the host's name)"),
            flag("--client-id", help="the client; MLE_CLIENT_SECRET or a prompt has its secret"),
            flag("--token-url", help="where tokens come from (the host tells)"),
            flag("--scope", help="the tokens' scope, for issuers that want one"),
            flag(
                "--az", metavar="RESOURCE", help="sign in as the Azure CLI has, for this resource"
            ),
            flag("--token-variable", metavar="NAME", help="a token in this environment variable"),
            flag("--workspace", metavar="ID", help="the workspace's ARM id"),
            flag("--ca-file", metavar="FILE", help="the CA that signed its certificate"),
        ),
    ),
    "use": Verb(
        use,
        "Choose among remembered hosts; without a name, list them.",
        (flag("name", nargs="?", help="the one to use"),),
        ("name", "current", "url", "workspace"),
        form="table",
    ),
    "logout": Verb(
        logout,
        "Forget a host, its secret and its tokens.",
        (flag("name", nargs="?", help="which (the chosen one)"),),
    ),
}
