"""Clients' secrets in the operating system's keyring, where the library `keyring` is installed and
finds one (`mlectl[keyring]`)."""

import contextlib
import importlib.util
from typing import Any

from cli.failures import SignInNeeded

_SERVICE = "mlectl"


def keep(client_id: str, token_url: str, secret: str) -> str:
    """The name of the keyring that has the secret from here on; empty where there is none."""
    keyring = _library()
    if keyring is None:
        return ""
    chosen = keyring.get_keyring()
    if chosen.priority <= 0:
        return ""
    try:
        keyring.set_password(_SERVICE, _entry(client_id, token_url), secret)
    except keyring.errors.KeyringError:
        return ""  # Locked, or nobody is there to be asked.
    return str(chosen.name)


def secret_of(client_id: str, token_url: str) -> str:
    """Raises SignInNeeded where no keyring has it, or none can be opened."""
    keyring = _library()
    if keyring is None:
        raise SignInNeeded(
            "The client's secret is in the keyring, and the library that opens it is not here.",
            hint="`pip install 'mlectl[keyring]'`, or `mle login` once more.",
        )
    try:
        secret: str | None = keyring.get_password(_SERVICE, _entry(client_id, token_url))
    except keyring.errors.KeyringError as error:
        raise SignInNeeded(
            f"The keyring can't be opened: {error}",
            hint="Unlock it; or `mle login` keeps the secret anew.",
        ) from error
    if secret is None:
        raise SignInNeeded(
            f"The keyring has no secret of {client_id} any more.", hint="`mle login` takes it anew."
        )
    return secret


def forget(client_id: str, token_url: str) -> None:
    keyring = _library()
    if keyring is not None:
        with contextlib.suppress(keyring.errors.KeyringError):
            keyring.delete_password(_SERVICE, _entry(client_id, token_url))


def _entry(client_id: str, token_url: str) -> str:
    """Of one client of one issuer, whatever contexts are called."""
    return f"{client_id} {token_url}"


def _library() -> Any:
    """None where it isn't installed; a tenth of a second to import."""
    if importlib.util.find_spec("keyring") is None:
        return None
    import keyring
    import keyring.errors

    return keyring
