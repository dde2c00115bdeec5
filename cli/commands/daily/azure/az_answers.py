"""What other groups than `ml` of Azure's command line tell about where one is, told of a host."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from cli.failures import UsageFailed
from cli.host.arm import Arm
from cli.host.contexts import Context, chosen
from cli.output import formats

_NO_TENANT = "00000000-0000-0000-0000-000000000000"
_SCOPE = "/.default"


def account_show(words: list[str]) -> None:
    context = chosen(None)
    _tell(
        {
            "id": _subscription(context),
            "name": context.name,
            "state": "Enabled",
            "isDefault": True,
            "tenantId": _NO_TENANT,
            "user": {"name": context.credential.get("client_id", ""), "type": "servicePrincipal"},
        },
        words,
    )


def access_token(words: list[str]) -> None:
    """A token of the audience that `--resource` or `--scope` names, else of the control plane."""
    parser = _parser()
    parser.add_argument("--resource")
    parser.add_argument("--scope")
    asked, _ = parser.parse_known_args(words)
    context = chosen(None)
    scope = asked.scope or (asked.resource and asked.resource.rstrip("/") + _SCOPE)
    if scope and context.credential.get("kind") == "client":
        context = context._replace(credential={**context.credential, "scope": scope})
    arm = Arm(context)
    try:
        token = arm.tokens.token()
    finally:
        arm.close()
    told = {"accessToken": token, "subscription": _subscription(context), "tenant": _NO_TENANT}
    formats.write({**told, "tokenType": "Bearer"}, form=asked.output, query=asked.query)


def group_show(words: list[str]) -> None:
    context = chosen(None)
    id = context.workspace.partition("/providers/")[0]
    group = {"id": id, "name": _group(context), "location": _location(context), "tags": None}
    _tell({**group, "properties": {"provisioningState": "Succeeded"}}, words)


def configure(words: list[str]) -> None:
    """The defaults, where they are asked for; there is nothing to set, for a context has them."""
    if not {"-l", "--list-defaults"} & set(words):
        return
    _tell(_defaults(), [word for word in words if word not in ("-l", "--list-defaults")])


def config_get(words: list[str]) -> None:
    """`az config get [defaults[.NAME]]`. Raises UsageFailed for what is not kept here."""
    parser = _parser()
    parser.add_argument("key", nargs="?", default="")
    asked, _ = parser.parse_known_args(words)
    section, _, name = asked.key.partition(".")
    if section not in ("", "defaults"):
        raise UsageFailed(f"`az config get {asked.key}`: defaults alone are known here.")
    defaults = _defaults()
    told: Any = defaults if section else {"defaults": defaults}
    if name:
        told = next((each for each in defaults if each["name"] == name), None)
        if told is None:
            raise UsageFailed(f"`az config get {asked.key}`: there is no such default.")
    formats.write(told, form=asked.output, query=asked.query)


def version(words: list[str]) -> None:
    _tell({"azure-cli": "mle az-shim", "extensions": {"ml": "mle"}}, words)


def nothing(words: list[str]) -> None:
    """There is nothing to do: a context says who one is, and where."""


ANSWERS: Mapping[tuple[str, ...], Callable[[list[str]], None]] = {
    ("account", "show"): account_show,
    ("account", "get-access-token"): access_token,
    ("account", "set"): nothing,
    ("config", "get"): config_get,
    ("config", "set"): nothing,
    ("configure",): configure,
    ("extension",): nothing,
    ("group", "show"): group_show,
    ("login",): nothing,
    ("logout",): nothing,
    ("version",): version,
    ("--version",): version,
}


def _tell(answer: Any, words: list[str]) -> None:
    asked, _ = _parser().parse_known_args(words)
    formats.write(answer, form=asked.output, query=asked.query)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--query")
    parser.add_argument("-o", "--output", default="json")
    return parser


def _defaults() -> list[dict[str, str]]:
    context = chosen(None)
    kept = {
        "group": _group(context),
        "workspace": context.workspace.rsplit("/", 1)[-1],
        "location": _location(context),
    }
    return [{"name": name, "source": context.name, "value": kept[name]} for name in kept]


def _subscription(context: Context) -> str:
    return context.workspace.split("/")[2]


def _group(context: Context) -> str:
    return context.workspace.split("/")[4]


def _location(context: Context) -> str:
    arm = Arm(context)
    try:
        return str(arm.get("")["location"])
    finally:
        arm.close()
