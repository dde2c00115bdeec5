"""Connections, as YAML has them: who may open a package index."""

from cli.kinds.assets import NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, Record, Text

AUTH_TYPES = {"pat": "PAT", "username_password": "UsernamePassword", "none": "None"}

CONNECTION = Record(
    (
        Field("name", NAME, required=True),
        Field("type", Choice({"python_feed": "PythonFeed"}), "properties.category", required=True),
        Field(
            "target",
            Text(),
            "properties.target",
            required=True,
            doc="the URL of the index, or what stands above it on the same server",
        ),
        Field(
            "credentials",
            Record(
                (
                    Field("type", Choice(AUTH_TYPES), "authType", required=True),
                    Field("pat", Text(), "pat", doc="asked for where the file leaves it out"),
                    Field("username", Text(), "username"),
                    Field("password", Text(), "password", doc="asked for, too"),
                )
            ),
            "properties.credentials",
        ),
        Field("metadata", TAGS, "properties.metadata"),
        Field("is_shared", Anything(), "properties.isSharedToAll"),
        Field("id", Anything(), "id", ignored=True),
        Field("creation_context", Anything(), ignored=True),
        Field("resourceGroup", Anything(), ignored=True),
    ),
    "A connection: who may open a package index.",
)
