"""The whole application as one record: what handlers are given."""

from dataclasses import dataclass

from domain.names import WorkspaceScope
from domain.ports import TokenVerifier


@dataclass(frozen=True)
class Application:
    """Built once by infra/composition.py; every trigger shares it."""

    scope: WorkspaceScope
    location: str
    base_url: str
    verifier: TokenVerifier
