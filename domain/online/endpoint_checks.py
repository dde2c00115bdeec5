"""What an online endpoint may ask for."""

from collections.abc import Sequence

from domain.computes.compute_targets import ComputeTargets
from domain.errors import Detail, Invalid, NotFound
from domain.ground.provisioning_state import ProvisioningState
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import (
    OnlineEndpoint,
    OnlineEndpointProperties,
    PublicNetworkAccess,
)
from domain.online.traffic.rollout import plan_faults
from domain.online.traffic.traffic import traffic_faults
from domain.online.traffic.traffic_changes import went_before

_ONE_DOOR = (
    "All endpoints have the host's address, so none can be closed to public networks by itself: "
    "close the installation (docs/azure.md, Private networks; elsewhere where the host listens), "
    "or leave this Enabled."
)


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
                _ONE_DOOR,
                "properties.publicNetworkAccess",
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
        faults += asked.keys.faults(old.sealed_keys) if asked.keys else []
    return faults


async def compute_faults(
    computes: ComputeTargets,
    asked: str | None,
    before: str | None,
    deployments: Sequence[OnlineDeployment],
) -> list[Detail]:
    """Of an endpoint that is to be on another compute than it is. Where nothing can be attached
    the name is kept for whoever reads it, and means nothing."""
    at = "properties.compute"
    if not computes.attaches:
        return []
    if deployments and (await computes.attached(before) or await computes.attached(asked)):
        told = (
            f"An endpoint stays on its compute ({before or 'the installation itself'}) while it "
            "has deployments. Make another endpoint."
        )
        return [Detail("BadArgument", told, at)]
    if not asked:
        return []
    try:
        found = await computes.named(asked)
    except (Invalid, NotFound) as error:
        told = f"{error.message} Attach it first (mle compute attach), or leave it out."
        return [Detail(error.code, told, at)]
    if found.is_attached or found.is_local:
        return []
    told = (
        f"Compute '{found.name}' has nodes for batch jobs: online endpoints name an attached one."
    )
    return [Detail("BadArgument", told, at)]
