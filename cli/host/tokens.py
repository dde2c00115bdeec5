"""Bearer tokens for a context's control plane, kept until shortly before they end.

A credential's `kind`: `client` (OAuth2 client credentials: `token_url`, `client_id`,
`client_secret`, or `keyring` where that has the secret; optionally `scope`), `az` (the Azure CLI's
login: `resource`), `variable` (a token in the environment variable `name`).
"""

import hashlib
import json
import os
import time
from pathlib import Path
from urllib.parse import urlencode

from cli.failures import CommandFailed, SignInNeeded
from cli.host.contexts import Context, config_folder
from cli.host.private_files import forget_old, write_private
from cli.host.wire import Wire

_EARLY = 60.0
_KEPT = 86_400.0
"""Seconds: no host gives tokens that are good for longer."""


class Tokens:
    """The tokens of one context."""

    def __init__(self, context: Context, wire: Wire) -> None:
        self._context = context
        self._wire = wire
        self._token = ""

    def token(self, *, anew: bool = False) -> str:
        """A token that is good now; `anew` after one that was refused. Raises SignInNeeded."""
        if self._token and not anew:
            return self._token
        kept = None if anew else self._kept()
        self._token = kept or self._asked()
        return self._token

    def _asked(self) -> str:
        credential = self._context.credential
        match credential.get("kind"):
            case "client":
                token, seconds = self._by_client()
            case "az":
                return _by_az(credential["resource"])
            case "variable":
                token = os.environ.get(credential["name"], "")
                if not token:
                    raise SignInNeeded(f"The variable {credential['name']} has no token.")
                return token
            case kind:
                raise SignInNeeded(f"Context {self._context.name!r} has no credential: {kind!r}.")
        forget_old(self._file().parent, seconds=_KEPT)
        write_private(
            self._file(), json.dumps({"token": token, "ends": time.time() + seconds - _EARLY})
        )
        return token

    def _by_client(self) -> tuple[str, float]:
        credential = self._context.credential
        form = {
            "grant_type": "client_credentials",
            "client_id": credential["client_id"],
            "client_secret": self._secret(),
        }
        if credential.get("scope"):
            form["scope"] = credential["scope"]
        answer = self._wire.send(
            "POST",
            credential["token_url"],
            {"Content-Type": "application/x-www-form-urlencoded"},
            urlencode(form).encode(),
        )
        body = answer.read()
        try:
            told = json.loads(body)
            if answer.status == 200:
                return told["access_token"], float(told["expires_in"])
            reason = told.get("error_description") or told.get("error")
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = body[:200].decode(errors="replace")
        raise SignInNeeded(
            f"{credential['token_url']} gave no token: {answer.status} {reason}",
            hint="`mle login` takes a new client id and secret.",
        )

    def _secret(self) -> str:
        credential = self._context.credential
        if "client_secret" in credential:
            return credential["client_secret"]
        from cli.host import keyring_secrets  # Where one is used alone.

        return keyring_secrets.secret_of(credential["client_id"], credential["token_url"])

    def _file(self) -> Path:
        whole = json.dumps([self._context.url, self._context.credential], sort_keys=True)
        return config_folder() / "tokens" / hashlib.sha256(whole.encode()).hexdigest()[:32]

    def _kept(self) -> str | None:
        try:
            kept = json.loads(self._file().read_text(encoding="utf-8"))
            return kept["token"] if kept["ends"] > time.time() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _by_az(resource: str) -> str:
    import subprocess  # Slow to import.

    command = ["az", "account", "get-access-token", "--resource", resource, "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SignInNeeded(f"`az` gave no token: {error}") from error
    if done.returncode != 0:
        raise SignInNeeded(
            f"`az` gave no token: {done.stderr.decode(errors='replace').strip()[:500]}",
            hint="`az login` signs in.",
        )
    try:
        token: str = json.loads(done.stdout)["accessToken"]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"`az` gave no token that can be read: {error}") from error
    return token
