"""What an online endpoint and its deployments may be, and how they come to run."""

from collections.abc import Callable, Sequence
from datetime import datetime

from domain.assets.asset_references import AssetReferences, revision_of
from domain.assets.asset_registration import AssetRegistration
from domain.errors import Conflict, Detail, Invalid, NotFound
from domain.ground.access import AuthMode
from domain.ground.facts import Fact
from domain.ground.keys import Keys, KeyType, SealedKeys, key_fault, matches, new_key
from domain.ground.operation import OperationKind
from domain.ground.outbox import Outbox
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Accepted, Stored, TrackedResource, Wanted, from_document
from domain.names import WorkspaceScope
from domain.online.deployment_checks import checked
from domain.online.deployment_scales import DeploymentScales
from domain.online.endpoint_tokens import TokenKeyRing
from domain.online.online_deployment import KIND as DEPLOYMENT_KIND
from domain.online.online_deployment import (
    OnlineDeployment,
    OnlineDeploymentProperties,
    workload_key,
)
from domain.online.online_endpoint import KIND as ENDPOINT_KIND
from domain.online.online_endpoint import (
    EndpointKeys,
    OnlineEndpoint,
    OnlineEndpointProperties,
    PublicNetworkAccess,
)
from domain.online.online_workloads import OnlineWorkloads
from domain.online.rollout import plan_faults
from domain.online.rollout_changes import alarm
from domain.online.traffic import traffic_faults
from domain.online.traffic_changes import moved_traffic, went_before
from domain.online.traffic_facts import traffic_moved
from domain.ports import (
    BlobStore,
    Cipher,
    Clock,
    Compute,
    LogKind,
    Observation,
    ResourceStore,
    Workload,
    WorkloadKind,
    WorkQueue,
    Write,
)
from domain.provisioning.provisioning import Provisioning


class OnlineProvisioning(
    Provisioning[
        OnlineEndpoint, OnlineEndpointProperties, OnlineDeployment, OnlineDeploymentProperties
    ]
):
    """Online endpoints and deployments. `changed` is told the endpoint's name after every
    change that a router of this process should see at once."""

    kind = "onlineEndpoints"
    endpoint_kind = ENDPOINT_KIND
    deployment_kind = DEPLOYMENT_KIND
    endpoint_type = OnlineEndpoint
    deployment_type = OnlineDeployment
    workload_kind = WorkloadKind.ONLINE
    key_prefix = "online/"

    def __init__(
        self,
        store: ResourceStore,
        queue: WorkQueue,
        compute: Compute,
        clock: Clock,
        scope: WorkspaceScope,
        location: str,
        *,
        assets: AssetRegistration,
        blobs: BlobStore,
        cipher: Cipher,
        changed: Callable[[str], None],
        outbox: Outbox,
    ) -> None:
        super().__init__(store, queue, compute, clock, scope, location, outbox)
        self._assets = assets
        self._blobs = blobs
        self._cipher = cipher
        self._tell = changed
        self._scales = DeploymentScales(store)
        self._workloads = OnlineWorkloads(assets, blobs, compute)

    # -- keys and logs ------------------------------------------------------------------

    async def keys(self, endpoint: str) -> Keys:
        """Both keys, plain. Raises Invalid in another auth mode."""
        stored = await self.endpoint(endpoint)
        _refuse_unless_key(stored.resource, "listKeys")
        return stored.resource.sealed_keys.open(self._cipher)

    async def regenerate_key(
        self, endpoint: str, which: KeyType, value: str | None, caller: str
    ) -> Accepted[OnlineEndpoint]:
        """Replace one key by `value`, or by a random one. The old one is refused from now
        on. In aml_token mode the signing key is replaced; the tokens it has signed live on.
        Raises Conflict while an operation runs, Invalid in aad_token mode."""
        if value is not None and (fault := key_fault(value)):
            raise Invalid(fault, target="keyValue")
        return await self._steadily(lambda: self._regenerate_key(endpoint, which, value, caller))

    async def _regenerate_key(
        self, endpoint: str, which: KeyType, value: str | None, caller: str
    ) -> Accepted[OnlineEndpoint]:
        document = await self._find(endpoint)
        if document is None:
            raise NotFound(f"{self._endpoint_noun(endpoint)} was not found.")
        old = from_document(OnlineEndpoint, document)
        now = self._clock.now()
        replaced: dict[str, object] = {}
        if old.token_keys is not None and value is None:
            replaced["token_keys"] = old.token_keys.rotated(self._cipher, now)
        else:
            _refuse_unless_key(old, "regenerateKeys with a keyValue")
            keys = old.sealed_keys.regenerated(which, self._cipher, value or new_key())
            replaced["sealed_keys"] = keys
        new = old.moved(ProvisioningState.UPDATING).but(
            **replaced,
            generation=old.generation + 1,
            route_version=old.route_version + 1,
            modified_at=now,
            modified_by=caller,
        )
        operation = self._started(OperationKind.REGENERATE_KEYS, new, now)
        return await self._save(new, document, operation)

    async def logs(self, endpoint: str, deployment: str, kind: LogKind, tail: int) -> str:
        """The last `tail` lines of what the deployment's instances printed."""
        await self.deployment(endpoint, deployment)
        return await self._compute.logs(workload_key(endpoint, deployment), kind, tail=tail)

    # -- scale --------------------------------------------------------------------------

    async def deployment(self, endpoint: str, name: str) -> Stored[OnlineDeployment]:
        """With its scale. Raises NotFound, for the endpoint first."""
        found = await super().deployment(endpoint, name)
        scale = await self._scales.of(found.resource)
        return Stored(found.resource.but(scale=scale), found.etag)

    async def deployments(
        self, endpoint: str, top: int, continuation: str | None = None
    ) -> tuple[list[Stored[OnlineDeployment]], str | None]:
        """With their scale. Raises NotFound for an endpoint that is not there."""
        found, following = await super().deployments(endpoint, top, continuation)
        scales = [await self._scales.of(stored.resource) for stored in found]
        pairs = zip(found, scales, strict=True)
        return [Stored(s.resource.but(scale=scale), s.etag) for s, scale in pairs], following

    async def bring_to_scale(self, endpoint: str, name: str) -> Observation | None:
        """Have the compute work towards the count that is stored; None where the deployment
        runs nothing (it has failed, or is on its way out)."""
        document = await self._find(endpoint, name)
        if document is None:
            return None
        deployment: OnlineDeployment | None = from_document(OnlineDeployment, document)
        if deployment is not None and deployment.provisioning_state is ProvisioningState.FAILED:
            deployment = self._before_failure(deployment)
        if deployment is None or deployment.provisioning_state is ProvisioningState.DELETING:
            return None
        return await self._compute.ensure(await self._workload(deployment))

    # -- endpoints ----------------------------------------------------------------------

    def _new_endpoint(
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
        keys = asked.keys
        return OnlineEndpoint(
            name=name,
            location=wanted.location or self._location,
            sealed_keys=SealedKeys.generate(
                self._cipher,
                keys.primary_key if keys else None,
                keys.secondary_key if keys else None,
            ),
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

    def _with_endpoint(self, old: OnlineEndpoint | None, new: OnlineEndpoint) -> list[Write]:
        before = old.rollout if old else None
        if new.rollout is None or not new.rollout.running or new.rollout == before:
            return []
        return [alarm(new.name, new.rollout, self._clock.now())]

    def _facts(self, old: TrackedResource | None, new: TrackedResource) -> list[Fact]:
        return traffic_moved(old, new)

    def _endpoint_faults(
        self,
        wanted: Wanted[OnlineEndpointProperties],
        old: OnlineEndpoint | None,
        deployments: Sequence[OnlineDeployment],
    ) -> list[Detail]:
        asked = wanted.properties
        there = [
            d.name for d in deployments if d.provisioning_state is not ProvisioningState.DELETING
        ]
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

    def _touched(self, endpoint: OnlineEndpoint) -> OnlineEndpoint:
        return endpoint.but(route_version=endpoint.route_version + 1)

    def _changed(self, endpoint: str) -> None:
        self._tell(endpoint)

    # -- deployments --------------------------------------------------------------------

    async def _new_deployment(
        self,
        endpoint: OnlineEndpoint,
        name: str,
        wanted: Wanted[OnlineDeploymentProperties],
        old: OnlineDeployment | None,
        caller: str,
        now: datetime,
    ) -> OnlineDeployment:
        references = AssetReferences(self._assets, self._blobs, self._compute, self._scope)
        properties = await checked(wanted.properties, references)
        shared = wanted.taken(properties, caller, now)
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return OnlineDeployment(
            name=name,
            endpoint=endpoint.name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller,
            **shared,
        )

    def _is_only_scaled(self, old: OnlineDeployment, new: OnlineDeployment) -> bool:
        asked = new.properties.scale_settings
        scaled = (old.instance_count, old.properties.scale_settings) != (new.instance_count, asked)
        return scaled and old.properties.but(scale_settings=asked) == new.properties

    async def _with_deployment(
        self, old: OnlineDeployment | None, new: OnlineDeployment
    ) -> list[Write]:
        return await self._scales.changed(old, new, self._clock.now())

    async def _removed_beside(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        return await self._scales.removed(endpoint, deployments)

    def _check_removable(self, endpoint: OnlineEndpoint, deployment: OnlineDeployment) -> None:
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

    def _proven(self, deployment: OnlineDeployment) -> OnlineDeployment:
        return deployment.but(proven=deployment.properties)

    def _before_failure(self, deployment: OnlineDeployment) -> OnlineDeployment | None:
        proven = deployment.proven
        return deployment.but(properties=proven) if proven is not None else None

    def _workload_key(self, endpoint: str, deployment: str) -> str:
        return workload_key(endpoint, deployment)

    async def _runs(self, deployment: OnlineDeployment) -> tuple[str, int]:
        revision = revision_of(deployment.properties.to_document())
        return revision, await self._scales.instances(deployment)

    async def _workload(self, deployment: OnlineDeployment) -> Workload:
        revision, instance_count = await self._runs(deployment)
        return await self._workloads.of(deployment, revision, instance_count)


def _refuse_unless_key(endpoint: OnlineEndpoint, action: str) -> None:
    mode = endpoint.properties.auth_mode
    if mode is not AuthMode.KEY:
        raise Invalid(
            f"{action} is for authMode Key; online endpoint '{endpoint.name}' has {mode}.",
            target="properties.authMode",
        )


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
