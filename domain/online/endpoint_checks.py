"""What an online endpoint may ask for."""

from collections.abc import Sequence

from domain.errors import Detail
from domain.ground.keys import SealedKeys, matches
from domain.ground.provisioning_state import ProvisioningState
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import (
    EndpointKeys,
    OnlineEndpoint,
    OnlineEndpointProperties,
    PublicNetworkAccess,
)
from domain.online.traffic.rollout import plan_faults
from domain.online.traffic.traffic import traffic_faults
from domain.online.traffic.traffic_changes import went_before


def endpoint_faults(
    asked: OnlineEndpointProperties,
    old: OnlineEndpoint | None,
    deployments: Sequence[OnlineDeployment],
) -> list[Detail]:
    """Every fault of what is asked of an endpoint that has `deployments`."""
    there = [d.name for d in deployments if d.provisioning_state is not ProvisioningState.DELETING]
    faults = traffic_faults(asked.traffic, asked.mirror_traffic, there)
    if asked.rollout is not None:
        before = went_before(asked, old) if old else asked.traffic
        faults += plan_faults(asked.rollout, before, asked.mirror_traffic, there)
    if asked.public_network_access is PublicNetworkAccess.DISABLED:
        faults.append(
            Detail(
                "NotSupported",
                "Network access is decided by where the host listens, not by an endpoint.",
                "properties.publicNetworkAccess",
            )
        )
    if asked.compute is not None:
        faults.append(
            Detail(
                "NotSupported",
                "Kubernetes compute is not there yet; leave 'compute' out.",
                "properties.compute",
            )
        )
    if old is not None:
        properties = old.properties.properties
        faults += [
            Detail(
                "BadArgument",
                f"'{key}' may not be changed or removed; properties can only be added.",
                f"properties.properties.{key}",
            )
            for key, value in properties.items()
            if asked.properties.get(key) != value
        ]
        faults += _key_faults(asked.keys, old.sealed_keys)
    return faults


def _key_faults(asked: EndpointKeys | None, sealed: SealedKeys) -> list[Detail]:
    """Keys are brought when an endpoint is created; the same ones again change nothing."""
    pairs = (
        ("primaryKey", asked.primary_key if asked else None, sealed.primary),
        ("secondaryKey", asked.secondary_key if asked else None, sealed.secondary),
    )
    return [
        Detail(
            "BadArgument",
            "The keys of an endpoint that exists are changed by regenerateKeys, one at a time.",
            f"properties.keys.{field}",
        )
        for field, key, now in pairs
        if key is not None and not matches(key.encode(), (bytes.fromhex(now.digest),))
    ]
