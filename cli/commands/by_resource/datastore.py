"""`mle datastore`, with verbs and flags of `az ml datastore`."""

from typing import Any

from cli.collections import Named
from cli.kinds.types import Json
from cli.resources import NAME_NEEDED
from cli.verbs import Group, Verb

_COLUMNS = ("name", "type", "container_name", "is_default")


def shown(rest: Json) -> dict[str, Any]:
    """A datastore as Azure's command line shows it."""
    told = rest["properties"]
    return {
        "name": rest["name"],
        "id": rest["id"],
        "type": "azure_blob",
        "account_name": told.get("accountName"),
        "container_name": told.get("containerName"),
        "endpoint": told.get("endpoint"),
        "protocol": told.get("protocol"),
        "is_default": told.get("isDefault"),
        "description": told.get("description"),
        "tags": told.get("tags") or {},
        "credentials": {},
    }


_ALL = Named("datastores", "datastore", shown)
GROUP = Group(
    "where files are",
    {
        "show": Verb(_ALL.show, "Show a datastore.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(_ALL.list, "List datastores.", (), _COLUMNS),
    },
    {
        "create": "datastores are those of the host's own store (`mle datastore list`).",
        "update": "datastores are those of the host's own store.",
        "delete": "datastores are those of the host's own store.",
    },
)
