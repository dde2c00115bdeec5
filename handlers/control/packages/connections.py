"""Workspace connections on the control plane. No answer has what was given as credentials."""

from typing import Any

import azure.functions as func

from domain.assets.packages.connection import (
    Connection,
    ConnectionCredentials,
    ConnectionProperties,
)
from domain.assets.packages.connections import Connections
from domain.ground.resource import Stored, Wanted
from domain.names import PROVIDER
from handlers import wire
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.http import Routes, system_data

PATH = "connections"

ARM_FIELDS: wire.ArmFields = {
    ConnectionProperties: wire.OtherFields(
        read_only=("group", "createdByWorkspaceArmId", "peStatus", "peRequirement", "error"),
        refused={
            "value": "Give credentials; an older form of them is not taken.",
            "valueFormat": "Give credentials; an older form of them is not taken.",
            "expiryTime": "Nothing ends by itself here; delete the connection, or change it.",
            "sharedUserList": "A connection is for the whole workspace here.",
            "useWorkspaceManagedIdentity": "A package index is not opened by an identity here.",
        },
    ),
    ConnectionCredentials: wire.OtherFields(
        refused={"securityToken": "A package index takes a username and a password, or a PAT."}
    ),
}


def blueprint(routes: Routes, connections: Connections) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[Connection]) -> dict[str, Any]:
        connection = stored.resource
        properties = wire.to_wire(connection.properties)
        return {
            "id": routes.scope.path(PATH, connection.name),
            "name": connection.name,
            "type": f"{PROVIDER}/workspaces/{PATH}",
            "properties": {**properties, "credentials": None, "group": "GenericProtocol"},
            "systemData": system_data(connection),
        }

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="connection",
            title="a connection to a package index",
            path=PATH,
            body=Wanted[ConnectionProperties],
            fields=ARM_FIELDS,
            get=connections.resources.get,
            list=connections.resources.list,
            put=connections.put,
            delete=connections.delete,
            render=rendered,
            created=200,
        ),
    )
    return bp
