"""What batch endpoints and their deployments may be."""

from collections.abc import Sequence
from datetime import datetime
from typing import final

from domain.assets.asset import ENVIRONMENTS, MODELS
from domain.assets.asset_references import AssetSources
from domain.assets.naming_rights import NamingRights
from domain.batch.batch_deployment import (
    KEY_PREFIX,
    BatchDeployment,
    BatchDeploymentProperties,
    ModelReference,
    OutputAction,
    ReferenceType,
)
from domain.batch.batch_deployment import KIND as DEPLOYMENT_KIND
from domain.batch.batch_endpoint import KIND as ENDPOINT_KIND
from domain.batch.batch_endpoint import BatchEndpoint, BatchEndpointProperties
from domain.computes.attached_cluster import type_on
from domain.computes.compute_target import LOCAL
from domain.computes.compute_targets import ComputeTargets
from domain.errors import Conflict, Detail, DomainError, Invalid
from domain.ground.access import AuthMode
from domain.ground.facts import Fact
from domain.ground.keys import EndpointKeys, SealedKeys
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Wanted
from domain.names import file_name_fault
from domain.ports import Cipher, Principal, Write
from domain.provisioning.deployment_revisions import DeploymentRevisions
from domain.provisioning.kind import Kind, KindTypes

_NOTHING_WRITTEN = (
    "outputAction SummaryOnly: a model without a scoring script writes no files of its own, so its "
    "jobs write nothing. AppendRow writes predictions."
)


@final
class BatchKind(
    Kind[BatchEndpoint, BatchEndpointProperties, BatchDeployment, BatchDeploymentProperties]
):
    """`location` is where resources are that name none."""

    types = KindTypes(
        kind="batchEndpoints",
        noun="Batch endpoint",
        endpoint_type=BatchEndpoint,
        endpoint_kind=ENDPOINT_KIND,
        deployment_type=BatchDeployment,
        deployment_kind=DEPLOYMENT_KIND,
        key_prefix=KEY_PREFIX,
        has_identities=False,
    )

    def __init__(
        self,
        sources: AssetSources,
        computes: ComputeTargets,
        revisions: DeploymentRevisions[BatchDeployment],
        cipher: Cipher,
        location: str,
    ) -> None:
        self._sources = sources
        self._computes = computes
        self._revisions = revisions
        self._cipher = cipher
        self._location = location

    # -- endpoints ----------------------------------------------------------------------

    async def endpoint_faults(
        self,
        wanted: Wanted[BatchEndpointProperties],
        old: BatchEndpoint | None,
        deployments: Sequence[BatchDeployment],
    ) -> list[Detail]:
        asked = wanted.properties
        faults: list[Detail] = []
        if asked.auth_mode is AuthMode.AML_TOKEN:
            told = "Batch endpoints give no tokens of their own: authMode is AADToken or Key."
            faults.append(Detail("BadArgument", told, "properties.authMode"))
        elif asked.keys is not None and asked.auth_mode is not AuthMode.KEY:
            told = "Keys are for authMode Key."
            faults.append(Detail("BadArgument", told, "properties.keys"))
        elif asked.keys is not None and old is not None and old.sealed_keys is not None:
            faults += asked.keys.faults(old.sealed_keys)
        default = asked.defaults.deployment_name
        there = [
            d.name for d in deployments if d.provisioning_state is not ProvisioningState.DELETING
        ]
        if default and default.casefold() not in {name.casefold() for name in there}:
            faults.append(
                Detail(
                    "BadArgument",
                    f"Deployment '{default}' does not exist on this endpoint "
                    f"(there: {', '.join(sorted(there)) or 'none'}). Create it first.",
                    "properties.defaults.deploymentName",
                )
            )
        return faults

    def new_endpoint(
        self,
        name: str,
        wanted: Wanted[BatchEndpointProperties],
        old: BatchEndpoint | None,
        caller: str,
        now: datetime,
    ) -> BatchEndpoint:
        shared = {
            **wanted.taken(wanted.properties.but(keys=None), caller, now),
            "sealed_keys": self._sealed_keys(wanted.properties, old),
        }
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return BatchEndpoint(
            name=name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller,
            **shared,
        )

    def _sealed_keys(
        self, asked: BatchEndpointProperties, old: BatchEndpoint | None
    ) -> SealedKeys | None:
        """Leaving the mode ends its keys."""
        if asked.auth_mode is not AuthMode.KEY:
            return None
        kept = old.sealed_keys if old else None
        return kept or (asked.keys or EndpointKeys()).sealed(self._cipher)

    def beside_endpoint(
        self, old: BatchEndpoint | None, new: BatchEndpoint, now: datetime
    ) -> list[Write]:
        return []

    def endpoint_facts(self, old: BatchEndpoint | None, new: BatchEndpoint) -> list[Fact]:
        return []

    def touched(self, endpoint: BatchEndpoint) -> BatchEndpoint:
        return endpoint

    def changed(self, endpoint: str) -> None:
        """Nobody keeps a route to it."""

    # -- deployments --------------------------------------------------------------------

    async def new_deployment(
        self,
        endpoint: BatchEndpoint,
        name: str,
        wanted: Wanted[BatchDeploymentProperties],
        old: BatchDeployment | None,
        caller: Principal,
        now: datetime,
    ) -> BatchDeployment:
        rights = NamingRights(caller, as_before=self._runs_as_before(wanted.properties, old))
        properties = await self._checked(wanted.properties, rights)
        shared = wanted.taken(properties, caller.id, now)
        if old:
            return old.but(**shared, generation=old.generation + 1)
        return BatchDeployment(
            name=name,
            endpoint=endpoint.name,
            location=wanted.location or self._location,
            created_at=now,
            created_by=caller.id,
            **shared,
        )

    def _runs_as_before(
        self, asked: BatchDeploymentProperties, deployment: BatchDeployment | None
    ) -> bool:
        """Whether it asks for nothing else to be run, nor otherwise or elsewhere, than is
        deployed."""
        if deployment is None:
            return False
        old, sources = deployment.properties, self._sources
        return (
            sources.same(MODELS, _id_of(asked.model), _id_of(old.model))
            and sources.same_code(asked.code_configuration, old.code_configuration)
            and sources.same(ENVIRONMENTS, asked.environment_id, old.environment_id)
            and asked.environment_variables == old.environment_variables
            and asked.compute == old.compute
        )

    async def _checked(
        self, asked: BatchDeploymentProperties, rights: NamingRights
    ) -> BatchDeploymentProperties:
        references = self._sources.references(rights)
        faults = references.faults
        model = asked.model
        if model is not None and model.reference_type is not ReferenceType.ID:
            faults.append(
                Detail(
                    "NotSupported",
                    f"A model is referred to by its id here, not by '{model.reference_type}'.",
                    "properties.model.referenceType",
                )
            )
        elif model is not None:
            resolved = await references.model(
                model.asset_id, "properties.model.assetId", is_served=False
            )
            model = ModelReference(asset_id=resolved)
        code = await references.code(asked.code_configuration, needs_signature=False)
        cluster = await self._computes.attached(asked.compute)
        at = "properties.resources.instanceType"
        if cluster is not None:
            try:
                type_on(cluster, asked.resources.instance_type, at)
            except Invalid as error:
                faults.append(Detail(error.code, error.message, error.target))
        environment = await references.environment(
            asked.environment_id,
            asked.resources.instance_type if cluster is None else None,
            at,
        )
        if fault := file_name_fault(asked.output_file_name):
            told = f"{fault} A job's output location is given at invoke."
            faults.append(Detail("BadArgument", told, "properties.outputFileName"))
        await self._check_compute(asked, rights, faults)
        if asked.code_configuration is None and asked.output_action is OutputAction.SUMMARY_ONLY:
            references.warnings.append(_NOTHING_WRITTEN)
        references.refuse()
        return asked.but(
            model=model,
            code_configuration=code,
            environment_id=environment,
            warnings=tuple(references.warnings),
        )

    async def _check_compute(
        self, asked: BatchDeploymentProperties, rights: NamingRights, faults: list[Detail]
    ) -> None:
        at = "properties.compute"
        try:
            named = self._computes.name_of(asked.compute)
            if named != LOCAL and not rights.may_name("computes", named, at):
                return
            await self._computes.check_instance_count(
                asked.compute, asked.resources.instance_count, "properties.resources.instanceCount"
            )
        except DomainError as error:
            faults.append(Detail(error.code, error.message, error.target or at))

    async def beside_deployment(
        self, old: BatchDeployment | None, new: BatchDeployment, now: datetime
    ) -> list[Write]:
        return await self._revisions.changed(old, new)

    async def beside_removal(self, endpoint: str, deployments: Sequence[str]) -> list[Write]:
        return await self._revisions.removed(endpoint, deployments)

    def is_only_scaled(self, old: BatchDeployment, new: BatchDeployment) -> bool:
        return False

    async def tell_scaled(self, old: BatchDeployment, new: BatchDeployment) -> None:
        """Workers come with each job."""

    def check_removable(self, endpoint: BatchEndpoint, deployment: BatchDeployment) -> None:
        default = endpoint.properties.defaults.deployment_name
        if default and default.casefold() == deployment.name.casefold():
            raise Conflict(
                f"Deployment '{deployment.name}' is the default of endpoint '{endpoint.name}'. "
                "Name another default (or none) first, then delete.",
                code="DeploymentIsDefault",
                target="properties.defaults.deploymentName",
            )

    def proven(self, deployment: BatchDeployment) -> BatchDeployment:
        return deployment.but(proven=deployment.properties)

    def before_failure(self, deployment: BatchDeployment) -> BatchDeployment | None:
        proven = deployment.proven
        return deployment.but(properties=proven) if proven is not None else None


def _id_of(model: ModelReference | None) -> str | None:
    return model.asset_id if model is not None else None
