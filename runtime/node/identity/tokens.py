"""Tokens of the node's identities, as its host pushes them: the agent calls nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_HALF = 0.5


class Token(NamedTuple):
    """Of the identity with these `names`, for `resource`; of whom a script is that names none,
    where it is `usual`."""

    resource: str
    names: Mapping[str, str]
    usual: bool
    token: str
    expires_at: float


class Tokens:
    """`wanted` once there are none, or those that are there have lived for half of their time."""

    def __init__(self) -> None:
        self._tokens: tuple[Token, ...] = ()
        self._fresh_until = 0.0
        self.told = False
        """Whether any have come yet; that there are none, too."""

    @property
    def wanted(self) -> bool:
        return time.time() >= self._fresh_until

    def replace(self, tokens: Sequence[Token]) -> None:
        now = time.time()
        self._tokens, self.told = tuple(tokens), True
        lives = [each.expires_at - now for each in tokens]
        self._fresh_until = now + _HALF * max(min(lives, default=60.0), 1.0)

    @property
    def resources(self) -> list[str]:
        return list(dict.fromkeys(each.resource for each in self._tokens))

    def find(self, resource: str, chosen: Mapping[str, str]) -> Token | None:
        """One that has not ended."""
        suffix = "/.default"
        wanted = resource[: -len(suffix)] if resource.endswith(suffix) else resource
        wanted = wanted.rstrip("/")
        for each in self._tokens:
            if each.resource != wanted or each.expires_at <= time.time():
                continue
            named = all(each.names.get(n, "").lower() == v.lower() for n, v in chosen.items())
            if each.usual if not chosen else named:
                return each
        return None


def parsed(value: Any) -> list[Token]:
    """Of a request's body. Raises ValueError."""
    try:
        return [_token(each) for each in value["tokens"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no list of tokens ({error})") from None


def _token(value: Any) -> Token:
    names = {str(name): str(each) for name, each in value["names"].items()}
    expires_at = float(value["expires_at"])
    return Token(
        str(value["resource"]), names, value["usual"] is True, str(value["token"]), expires_at
    )
