"""This machine's address in the network that a cluster is in."""

import asyncio
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from domain.errors import Unavailable


async def own_address(server: str) -> str:
    """As this machine would ask the API server at that URL. Raises Unavailable."""
    parts = urlsplit(server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        address = await asyncio.to_thread(_towards, parts.hostname or "", port)
    except OSError as error:
        raise Unavailable(f"No way leads to the API server {server}: {error}.") from None
    if ip_address(address).is_loopback:
        raise Unavailable(
            "Pods cannot reach this host's blobs: the cluster is asked by loopback, so the address "
            "of this machine in its network is not known. Set ML_ENDPOINTS_CONTAINER_BLOBS to "
            "`name:port` as pods reach it."
        )
    return address


def _towards(host: str, port: int) -> str:
    """Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((host, port))
        return str(asking.getsockname()[0])
