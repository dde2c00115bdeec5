"""A workspace connection: who may open a package index, kept where nothing reads it but a build."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.ground.resource import StringMap, TrackedResource
from domain.ground.resource import from_document as stored_resource
from domain.ports import Document
from domain.values import Value, unsaid

KIND = "connection"
PARTITION = "connections"
MAX_CONNECTIONS = 100
"""A build looks at each of them."""
MAX_SECRET = 8192
PAT_USER = "VssSessionToken"
"""Whom a personal access token is sent for, where any name will do."""


class _AnyCase(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> "StrEnum | None":
        """The YAML spellings (`python_feed`, `username_password`) and any case."""
        text = str(value).casefold().replace("_", "")
        return next((each for each in cls if each.value.casefold() == text), None)


class Category(_AnyCase):
    PYTHON_FEED = "PythonFeed"


class AuthType(_AnyCase):
    NONE = "None"
    PAT = "PAT"
    USERNAME_PASSWORD = "UsernamePassword"


class ConnectionCredentials(Value):
    """`pat` for PAT, the others for UsernamePassword. Given, and never shown."""

    pat: str | None = Field(None, repr=False)
    username: str | None = None
    password: str | None = Field(None, repr=False)


class ConnectionProperties(Value):
    """What `target`, the URL of a package index or of what stands above several, is opened with.
    `credentials` are kept apart, sealed; left out in a change, they remain as they are."""

    category: Category
    target: Annotated[str, Field(min_length=1, max_length=2048)]
    auth_type: AuthType
    credentials: ConnectionCredentials | None = None
    metadata: StringMap = {}
    is_shared_to_all: bool = True


class Connection(TrackedResource):
    """`properties` are without credentials; `sealed_credentials` has them, `username` and
    `password` in JSON, sealed with the installation's cipher, by the key that `sealed_by` names."""

    properties: ConnectionProperties
    sealed_credentials: str | None = None
    sealed_by: Annotated[str | None, unsaid(None)] = None


def connection_of(document: Document) -> Connection:
    return stored_resource(Connection, document)
