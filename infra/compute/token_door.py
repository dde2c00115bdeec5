"""The door for tokens of an agent that stands beside a server of the user's own."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from infra.compute.remote.fleet import NodeGroup

AUTHORITIES: Final = "ML_ENDPOINTS_AUTHORITIES"
"""Who has signed for where blobs are, in PEM: no file of ours is in the image of somebody else."""
_PORTS: Final = (5002, 15002, 25002, 35002)


def token_door(group: NodeGroup) -> Mapping[str, Any]:
    """What an agent is told of the door for tokens, so that the server beside it can be told, too;
    nothing where its program is nobody."""
    server, identity = group.program.server, group.spec.get("identity")
    if server is None or identity is None:
        return {}
    port = next(port for port in _PORTS if port not in server.ports)
    secret = hmac.new(group.secret.encode(), b"token door", hashlib.sha256).hexdigest()
    return {"identity": {**identity, "port": port, "secret": secret}}


def token_door_variables(group: NodeGroup) -> Mapping[str, str]:
    """By which Azure's clients in the server's container find the door."""
    told = token_door(group)
    if not told:
        return {}
    identity = told["identity"]
    url, secret = f"http://127.0.0.1:{identity['port']}", identity["secret"]
    authorities = {AUTHORITIES: identity["authorities"]} if identity.get("authorities") else {}
    return {
        "IDENTITY_ENDPOINT": f"{url}/msi/token",
        "IDENTITY_HEADER": secret,
        "MSI_ENDPOINT": f"{url}/msi/token",
        "MSI_SECRET": secret,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{url}/{secret}",
        **authorities,
        **identity.get("variables", {}),
    }
