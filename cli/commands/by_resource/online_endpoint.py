"""`mle online-endpoint`, with the verbs and flags of `az ml online-endpoint`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from cli.collections import Named
from cli.documents.reading import pairs, read
from cli.failures import CommandFailed, UsageFailed
from cli.host.arm import path, refusal
from cli.kinds.endpoints import ONLINE_ENDPOINT
from cli.resources import (
    FILE,
    LOCAL,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    WEB,
    YES,
    change,
    finish,
    make,
    named,
    show,
)
from cli.verbs import Group, Session, Verb, flag

COLLECTION = "onlineEndpoints"
_COLUMNS = ("name", "provisioning_state", "auth_mode", "traffic", "scoring_uri")


def shown(rest: Any) -> dict[str, Any]:
    """An online endpoint as Azure's command line shows it."""
    kind = "Kubernetes" if (rest["properties"].get("compute")) else "Managed"
    return show(ONLINE_ENDPOINT, rest, kind=kind)


def create(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(
        ONLINE_ENDPOINT,
        "endpoint",
        file=flags.file,
        given={"name": flags.name, "auth_mode": flags.auth_mode},
        sets=flags.set,
    )
    name = named(flags, fields, "endpoint")
    if fields.get("traffic") and not flags.file:
        raise UsageFailed("Traffic goes to deployments, and a new endpoint has none yet.")
    fields.pop("traffic", None)
    made = make(
        session,
        path(COLLECTION, name),
        f"endpoint {name}",
        ONLINE_ENDPOINT.sent(fields),
        new=True,
        no_wait=flags.no_wait,
    )
    return shown(made) if made else None


def update(flags: argparse.Namespace, session: Session) -> Any:
    fields = read(ONLINE_ENDPOINT, "endpoint", file=flags.file) if flags.file else {}
    name = named(flags, fields, "endpoint")
    given = {
        "name": name,
        "traffic": pairs(flags.traffic, "--traffic", "=:"),
        "mirror_traffic": pairs(flags.mirror_traffic, "--mirror-traffic", "=:"),
    }
    changed = change(
        session,
        ONLINE_ENDPOINT,
        path(COLLECTION, name),
        f"endpoint {name}",
        flags=flags,
        given=given,
    )
    return shown(changed) if changed else None


def credentials(session: Session, name: str) -> dict[str, Any]:
    """The keys of an endpoint, or a token for it, by its auth mode."""
    mode = session.arm.get(path(COLLECTION, name))["properties"]["authMode"]
    if mode == "Key":
        keys: dict[str, Any] = session.arm.post(f"{path(COLLECTION, name)}/listKeys")
        return keys
    if mode == "AMLToken":
        token: dict[str, Any] = session.arm.post(f"{path(COLLECTION, name)}/token")
        return token
    return {"accessToken": session.arm.tokens.token(), "tokenType": "Bearer"}


def get_credentials(flags: argparse.Namespace, session: Session) -> Any:
    return credentials(session, flags.name)


def regenerate_keys(flags: argparse.Namespace, session: Session) -> Any:
    operation = session.arm.change(
        "POST",
        f"{path(COLLECTION, flags.name)}/regenerateKeys",
        {"keyType": flags.key_type.capitalize()},
    )
    finish(session, f"the {flags.key_type} key of {flags.name}", operation, no_wait=flags.no_wait)


def ask(
    session: Session, name: str, body: bytes, deployment: str | None, content_type: str
) -> None:
    """Send a request to an endpoint's scoring URI, and write the answer as it comes."""
    uri = session.arm.get(path(COLLECTION, name))["properties"]["scoringUri"]
    secret = credentials(session, name)
    key = secret.get("primaryKey") or secret["accessToken"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type}
    if deployment:
        headers["azureml-model-deployment"] = deployment
    answer = session.arm.wire.send("POST", uri, headers, body)
    if answer.status >= 400:
        failed = refusal(answer)
        raise CommandFailed(f"{name} answered {answer.status}: {failed.message}", hint=failed.hint)
    for piece in answer.pieces():
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    sys.stdout.write("\n")


def invoke(flags: argparse.Namespace, session: Session) -> Any:
    try:
        body = Path(flags.request_file).read_bytes()
    except OSError as error:
        raise UsageFailed(f"{flags.request_file} can't be read: {error.strerror}") from error
    ask(session, flags.name, body, flags.deployment_name, "application/json")


_ALL = Named(COLLECTION, "endpoint", shown)
GROUP = Group(
    "scoring URIs over deployments",
    {
        "create": Verb(
            create,
            "Make an endpoint.",
            (
                FILE,
                NAME,
                flag("--auth-mode", help="key, aml_token or aad_token"),
                SET,
                NO_WAIT,
                WEB,
                LOCAL,
            ),
            _COLUMNS,
        ),
        "update": Verb(
            update,
            "Change an endpoint: what a file or flags say, and nothing else.",
            (
                FILE,
                NAME,
                flag("-r", "--traffic", nargs="+", metavar="NAME=PERCENT", help="the split"),
                flag("--mirror-traffic", nargs="+", metavar="NAME=PERCENT", help="copies"),
                *UPDATES,
                NO_WAIT,
                WEB,
                LOCAL,
            ),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show an endpoint.", (NAME_NEEDED, WEB, LOCAL), _COLUMNS),
        "list": Verb(_ALL.list, "List endpoints.", (LOCAL,), _COLUMNS),
        "delete": Verb(
            _ALL.delete,
            "Delete an endpoint with its deployments.",
            (NAME_NEEDED, YES, NO_WAIT, LOCAL),
        ),
        "invoke": Verb(
            invoke,
            "Ask the model: the file's content is the request's body.",
            (
                NAME_NEEDED,
                flag("-r", "--request-file", required=True, help="the body"),
                flag("-d", "--deployment-name", help="this one, whatever the traffic"),
                LOCAL,
            ),
        ),
        "get-credentials": Verb(get_credentials, "Show its keys, or a token.", (NAME_NEEDED,)),
        "regenerate-keys": Verb(
            regenerate_keys,
            "Replace a key; the old one is refused from then on.",
            (
                NAME_NEEDED,
                flag("--key-type", default="primary", choices=("primary", "secondary")),
                NO_WAIT,
            ),
        ),
    },
)
