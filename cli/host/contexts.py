"""Which host is spoken to, and as whom.

A context is a name for one installation. It is found, first match first: `--context`, the variable
`MLE_CONTEXT`; `MLE_CONNECTION`, a `connection.json` of an embedded host; the context chosen by
`mle use`; `.data/connection.json` here or in a folder above.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from cli.failures import SignInNeeded, UsageFailed
from cli.host.private_files import write_private

_HERE = Path(".data") / "connection.json"


class Context(NamedTuple):
    """An installation. `credential` has a `kind` and what that kind needs (cli.host.tokens)."""

    name: str
    url: str
    workspace: str
    """The workspace's ARM id, which begins with a slash."""
    credential: dict[str, str]
    ca_file: str | None = None
    connection_file: str | None = None
    """Of an embedded host on this machine, whose address may change at each start."""


def config_folder() -> Path:
    """Where contexts are kept: `MLE_CONFIG_DIR`, else the user's configuration folder."""
    chosen = os.environ.get("MLE_CONFIG_DIR")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mle"


def from_connection_file(path: Path, name: str = "") -> Context:
    """The embedded host that wrote this file. Raises SignInNeeded when it can't be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Context(
            name=name or str(path),
            url=told["url"],
            workspace=told["workspace"],
            ca_file=told["ca_file"],
            credential={
                "kind": "client",
                "token_url": told["token_url"],
                "client_id": told["client_id"],
                "client_secret": told["client_secret"],
            },
            connection_file=str(path.absolute()),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SignInNeeded(
            f"{path} can't be read as an embedded host's connection: {error}",
            hint="Is the host up? `mle up` starts one.",
        ) from error


def chosen(name: str | None) -> Context:
    """The context to use. Raises SignInNeeded when there is none, UsageFailed for a name that
    isn't known."""
    name = name or os.environ.get("MLE_CONTEXT")
    if name:
        return _named(name)
    connection = os.environ.get("MLE_CONNECTION")
    if connection:
        return from_connection_file(Path(connection))
    current = _read().get("current")
    if current:
        return _named(current)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / _HERE).is_file():
            return from_connection_file(folder / _HERE)
    raise SignInNeeded(
        "No host is known.",
        hint="`mle up` starts one on this machine; `mle login --url URL` names another.",
    )


def known() -> tuple[dict[str, Any], str | None]:
    """Every context by name, as kept, and the chosen one's name."""
    kept = _read()
    return kept.get("contexts", {}), kept.get("current")


def keep(context: Context, *, choose: bool) -> None:
    """Keep a context, in place of one with its name."""
    kept = _read()
    kept.setdefault("contexts", {})[context.name] = {
        "url": context.url,
        "workspace": context.workspace,
        "ca_file": context.ca_file,
        "credential": context.credential,
        "connection_file": context.connection_file,
    }
    if choose:
        kept["current"] = context.name
    _write(kept)


def use(name: str) -> None:
    """Choose a context for the commands to come. Raises UsageFailed."""
    _named(name)
    kept = _read()
    kept["current"] = name
    _write(kept)


def forget(name: str) -> None:
    """Forget a context. Raises UsageFailed for a name that isn't known."""
    _named(name)
    kept = _read()
    del kept["contexts"][name]
    if kept.get("current") == name:
        del kept["current"]
    _write(kept)


def _named(name: str) -> Context:
    contexts = _read().get("contexts", {})
    if name not in contexts:
        there = ", ".join(sorted(contexts)) or "none"
        raise UsageFailed(
            f"There is no context {name!r}; known: {there}.", hint="`mle login --help` adds one."
        )
    kept = contexts[name]
    if kept.get("connection_file"):
        return from_connection_file(Path(kept["connection_file"]), name)
    return Context(
        name=name,
        url=kept["url"],
        workspace=kept["workspace"],
        ca_file=kept.get("ca_file"),
        credential=kept["credential"],
    )


def file() -> Path:
    """Where contexts are kept."""
    return config_folder() / "contexts.json"


def _read() -> dict[str, Any]:
    try:
        kept = json.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageFailed(f"{file()} can't be read: {error}") from error
    if not isinstance(kept, dict):
        raise UsageFailed(f"{file()} is not what `mle` wrote: move it away, and log in again.")
    return kept


def _write(kept: dict[str, Any]) -> None:
    write_private(file(), json.dumps(kept, indent=2) + "\n")
