"""What online endpoints and their deployments may be."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import final

from domain.assets.asset import ENVIRONMENTS, MODELS
from domain.assets.asset_references import AssetSources
from domain.assets.naming_rights import NamingRights
from domain.computes.compute_targets import ComputeTargets
from domain.errors import Conflict, Detail
from domain.ground.access import AuthMode
from domain.ground.facts import Fact
from domain.ground.keys import EndpointKeys
from domain.ground.resource import Wanted
from domain.online.deployment_checks import DeploymentRoom, checked
from domain.online.deployment_scales import DeploymentScales, tell_count, tell_scaled
from domain.online.endpoint_checks import compute_faults, endpoint_faults
from domain.online.endpoint_tokens import TokenKeyRing
from domain.online.online_deployment import (
    KEY_PREFIX,
    OnlineDeployment,
    OnlineDeploymentProperties,
)
from domain.online.online_deployment import KIND as DEPLOYMENT_KIND
from domain.online.online_endpoint import KIND as ENDPOINT_KIND
from domain.online.online_endpoint import OnlineEndpoint, OnlineEndpointProperties
from domain.online.traffic.rollout_changes import alarm
from domain.online.traffic.traffic_changes import moved_traffic
from domain.online.traffic.traffic_facts import traffic_moved
from domain.ports import Cipher, Principal, Write
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.kind import Kind, KindTypes


@final
class OnlineKind(
    Kind[OnlineEndpoint, OnlineEndpointProperties, OnlineDeployment, OnlineDeploymentProperties]
):
    """`changed` is told the endpoint's name after every change that a router of this process
    should see at once. `location` is where resources are that name none."""

    types = KindTypes(
        kind="onlineEndpoints",
        noun="Online endpoint",
        endpoint_type=OnlineEndpoint,
        endpoint_kind=ENDPOINT_KIND,
        deployment_type=OnlineDeployment,
        deployment_kind=DEPLOYMENT_KIND,
        key_prefix=KEY_PREFIX,
        has_identities=True,
    )

    def __init__(
        self,
        sources: AssetSources,
        scales: DeploymentScales,
        computes: ComputeTargets,
        revisions: DeploymentRevisions[OnlineDeployment],
        cipher: Cipher,
        location: str,
        changed: Callable[[str], None],
    ) -> None:
        self._sources = sources
        self._room = DeploymentRoom(sources.capabilities)
        self._scales = scales
        self._computes = computes
        self._revisions = revisions
        self._cipher = cipher
        self._location = location
        self._tell = changed

    # -- endpoints ----------------------------------------------------------------------

    async def endpoint_faults(
        self,
        wanted: Wanted[OnlineEndpointProperties],
        old: OnlineEndpoint | None,
        deployments: Sequence[OnlineDeployment],
    ) -> list[Detail]:
        asked, before = wanted.properties, old.properties.compute if old else None
        faults = endpoint_faults(asked, old, deployments)
        if asked.compute != before:
            faults += await compute_faults(self._computes, asked.compute, before, deployments)
        return faults

    def new_endpoint(
        self,
        name: str,
        wanted: Wanted[OnlineEndpointProperties],
        old: OnlineEndpoint | None,
        caller: str,
        now: datetime,
    ) -> OnlineEndpoint:
        asked = wanted.properties
        properties = asked.but(
            traffic={k: v for k, v in asked.traffic.items() if v},
            mirror_traffic={k: v for k, v in asked.mirror_traffic.items() if v},
            keys=None,
        )
        shared = {
            **wanted.taken(properties, caller, now),
            "token_keys": self._token_keys(asked.auth_mode, old, now),
        }
        if old:
            return old.but(
                **{**shared, **moved_traffic(properties, old, caller, now)},
                generation=old.generation + 1,
                route_version=old.route_version + 1,
            )
        return OnlineEndpoint(
            name=name,
            location=wanted.location or self._location,
            sealed_keys=(asked.keys or EndpointKeys()).sealed(self._cipher),
            created_at=now,
            created_by=caller,
            **shared,
        )

    def _token_keys(
        self, mode: AuthMode, old: OnlineEndpoint | None, now: datetime
    ) -> TokenKeyRing | None:
        """Leaving the mode ends every token that was given."""
        if mode is not AuthMode.AML_TOKEN:
            return None
        kept = old.token_keys if old else None
        return kept or TokenKeyRing.generate(self._cipher, now)

    def beside_endpoint(
        self, old: OnlineEndpoint | None, new: OnlineEndpoint, now: datetime
    ) -> list[Write]:
        before = old.rollout if old else None
        if new.rollout is None or not new.rollout.running or new.rollout == before:
            return []
        return [alarm(new.name, new.rollout, now)]

    def endpoint_facts(self, old: OnlineEndpoint | None, new: OnlineEndpoint) -> list[Fact]:
        return traffic_moved(old, new)

    def touched(self, endpoint: OnlineEndpoint) -> OnlineEndpoint:
        return endpoint.but(route_version=endpoint.route_version + 1)

    def changed(self, endpoint: str) -> None:
        self._tell(endpoint)

    # -- deployments --------------------------------------------------------------------

    async def new_deployment(
        self,
        endpoint: OnlineEndpoint,
        name: str,
        wanted: Wanted[OnlineDeploymentProperties],
        old: OnlineDeployment | None,
        caller: Principal,
        now: datetime,
    ) -> OnlineDeployment:
        lacking = self._room.faults(endpoint.name, name, wanted, old)
        rights = NamingRights(caller, as_before=self._runs_as_before(wanted.properties, old))
        cluster = await self._computes.attached(endpoint.properties.compute)
        if cluster is not None:
            rights.may_name("computes", cluster.name, "properties.compute")
        references = self._sources.references(rights)
        properties = await checked(wanted.properties, references, lacking, cluster)
        shared = wanted.taken(properties, caller.id, now)
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return OnlineDeployment(
            name=name,
            endpoint=endpoint.name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller.id,
            **shared,
        )

    def _runs_as_before(
        self, asked: OnlineDeploymentProperties, deployment: OnlineDeployment | None
    ) -> bool:
        """Whether it asks for nothing else to be run, nor otherwise, than is deployed."""
        if deployment is None:
            return False
        old, sources = deployment.properties, self._sources
        return (
            sources.same(MODELS, asked.model, old.model)
            and sources.same_code(asked.code_configuration, old.code_configuration)
            and sources.same(ENVIRONMENTS, asked.environment_id, old.environment_id)
            and asked.environment_variables == old.environment_variables
        )

    async def beside_deployment(
        self, old: OnlineDeployment | None, new: OnlineDeployment, now: datetime
    ) -> list[Write]:
        revised = await self._revisions.changed(old, new)
        return [*await self._scales.changed(old, new, now), *revised]

    async def beside_removal(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        revised = await self._revisions.removed(endpoint, deployments)
        return [*await self._scales.removed(endpoint, deployments), *revised]

    def is_only_scaled(self, old: OnlineDeployment, new: OnlineDeployment) -> bool:
        asked = new.properties.scale_settings
        scaled = (old.instance_count, old.properties.scale_settings) != (new.instance_count, asked)
        return scaled and old.properties.but(scale_settings=asked) == new.properties

    async def tell_scaled(self, old: OnlineDeployment, new: OnlineDeployment) -> None:
        if new.bounds is None:
            if old.bounds is None and old.instance_count != new.instance_count:
                why = f"{new.modified_by} asked for it"
                counts = old.instance_count, new.instance_count
                tell_count(new.endpoint, new.name, *counts, why)
            return
        scale = await self._scales.of(new)
        decided = scale.last_decision if scale else None
        if scale and decided and decided.at == new.modified_at:
            tell_scaled(scale)

    def check_removable(self, endpoint: OnlineEndpoint, deployment: OnlineDeployment) -> None:
        live = endpoint.traffic_of(deployment.name)
        mirrored = endpoint.mirror_traffic_of(deployment.name)
        if live or mirrored:
            what = f"{live} % of the traffic" if live else f"{mirrored} % of mirrored traffic"
            raise Conflict(
                f"Deployment '{deployment.name}' holds {what} of endpoint '{endpoint.name}'. "
                "Move it to another deployment (or set it to 0) first, then delete.",
                code="DeploymentHoldsTraffic",
                target="properties.traffic",
            )
        rollout = endpoint.rollout
        if rollout is not None and rollout.running and rollout.names(deployment.name):
            raise Conflict(
                f"Deployment '{deployment.name}' has a part in the running rollout of endpoint "
                f"'{endpoint.name}'. End it first (PATCH rollout to null), then delete.",
                code="DeploymentHoldsTraffic",
                target="properties.rollout",
            )

    def proven(self, deployment: OnlineDeployment) -> OnlineDeployment:
        return deployment.but(proven=deployment.properties)

    def before_failure(self, deployment: OnlineDeployment) -> OnlineDeployment | None:
        proven = deployment.proven
        return deployment.but(properties=proven) if proven is not None else None
