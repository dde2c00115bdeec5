"""What a deployment points at: resolved to the versions it means, every fault gathered."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from domain.assets.asset import (
    CODES,
    DATA,
    ENVIRONMENTS,
    MODELS,
    AssetKind,
    DataType,
    EnvironmentVersion,
    ModelType,
    ModelVersion,
)
from domain.assets.asset_registration import AssetRegistration
from domain.assets.code_configuration import CodeConfiguration
from domain.assets.datastore import DEFAULT
from domain.assets.images import curated_environments
from domain.assets.mlflow_models import MlflowModels
from domain.assets.naming_rights import NamingRights
from domain.assets.sealing.seals import Seals
from domain.assets.servers import own_servers
from domain.assets.servers.inference_config import TRITON, InferenceConfig
from domain.errors import Conflict, Detail, DomainError, Invalid, refuse
from domain.names import WorkspaceScope, parse_asset_reference
from domain.ports import BlobStore, Capabilities, EnvironmentSpec, SealedFolder

_TRITON_IN_BATCH = "A triton_model is for online deployments, where the Triton server runs it."
_MOUNTED_NOWHERE = (
    "modelMountPath is for a server of your own (an environment with an image and an "
    "inferenceConfig); a scoring script finds its model under AZUREML_MODEL_DIR."
)
_DESCRIPTIVE = (
    "description",
    "properties",
    "app_insights_enabled",
    "egress_public_network_access",
    "scale_settings",
    "warnings",
)


@dataclass(frozen=True)
class AssetSources:
    """Where deployments of a workspace find what they point at, and what can run it."""

    assets: AssetRegistration
    blobs: BlobStore
    capabilities: Capabilities
    scope: WorkspaceScope

    def references(self, rights: NamingRights) -> "AssetReferences":
        """For one deployment body."""
        return AssetReferences(self, rights)

    def same(self, kind: AssetKind, one: str | None, other: str | None) -> bool:
        """Whether two references mean one version, as far as they say which."""
        return one == other or self._meant(kind, one) == self._meant(kind, other) is not None

    def same_code(self, one: CodeConfiguration | None, other: CodeConfiguration | None) -> bool:
        if one is None or other is None:
            return one is other
        same_script = one.scoring_script == other.scoring_script
        return same_script and self.same(CODES, one.code_id, other.code_id)

    def _meant(self, kind: AssetKind, reference: str | None) -> tuple[str, str] | None:
        try:
            found = parse_asset_reference(reference or "", kind.plural, self.scope)
        except Invalid:
            return None
        if found.version is None:
            return None
        return found.name.casefold(), found.version.casefold()


class AssetReferences:
    """Resolves the references of one deployment body, of which `rights` say what may be named;
    `faults` collects what is wrong, and `warnings` what its user should know."""

    def __init__(self, sources: AssetSources, rights: NamingRights) -> None:
        self._rights = rights
        self._assets = sources.assets
        self._scope = sources.scope
        self._blobs = sources.blobs
        self.capabilities = sources.capabilities
        self._mlflow: SealedFolder | None = None
        self._model: ModelVersion | None = None
        self._own_server: InferenceConfig | None = None
        self.faults: list[Detail] = []
        self.warnings: list[str] = []

    async def model(self, reference: str | None, target: str, *, is_served: bool) -> str | None:
        """The ARM id of the model version meant; a deployment may do without a model. One of
        MLflow's needs no code or environment beside it, nor does one for Triton, if it
        `is_served`: else that is refused."""
        if not reference or not self._may_name(MODELS, reference, target):
            return None
        try:
            found = await self._assets.model(reference)
        except DomainError as error:
            self._fault(error, target)
            return None
        self._model = found
        if own_servers.is_triton(found) and not is_served:
            self.faults.append(Detail("NotSupported", _TRITON_IN_BATCH, target))
        if found.properties.model_type is ModelType.MLFLOW:
            try:
                self._mlflow = await self._assets.files(found)
            except DomainError as error:
                self._fault(error, target)
        return self._scope.path("models", found.name, "versions", found.version)

    async def own_server(
        self, environment: str | None, configuration: CodeConfiguration | None
    ) -> None:
        """Whether the deployment has a server of its user's own; to be asked after `model`, and
        before the others. What cannot be resolved they tell."""
        found: EnvironmentVersion | None = None
        if environment and not curated_environments.is_curated(environment):
            with suppress(DomainError):
                found = await self._assets.environment(environment)
        self._own_server = own_servers.config_of(found, self._model, configuration)
        model = self._model
        if self._own_server is TRITON and model is not None:
            try:
                files = await Seals(self._blobs).files(await self._assets.files(model))
                names = [file.name for file in files]
                if own_servers.repository_of(model.folder.path, names) is None:
                    raise Invalid(own_servers.NO_REPOSITORY)
            except DomainError as error:
                self._fault(error, "properties.model")

    def mount_path(self, path: str | None) -> None:
        if path is None:
            return
        fault: str | None = _MOUNTED_NOWHERE
        if self._own_server is not None:
            fault = own_servers.mount_path_fault(path)
        if fault is not None:
            self.faults.append(Detail("NotSupported", fault, "properties.modelMountPath"))

    async def code(
        self, configuration: CodeConfiguration | None, *, needs_signature: bool
    ) -> CodeConfiguration | None:
        """The configuration with its code resolved, its scoring script known to be there. Of an
        MLflow model that comes without: whether it can be run so."""
        at = "properties.codeConfiguration"
        if configuration is None and self._own_server is not None:
            return None
        if configuration is None and self._mlflow is not None:
            try:
                await MlflowModels(self._blobs).check(self._mlflow, needs_signature=needs_signature)
            except (Invalid, Conflict) as error:
                self._faults(error, at)
            return None
        if configuration is None:
            self.faults.append(
                Detail(
                    "BadArgument",
                    "A scoring script is needed: give codeConfiguration with codeId and "
                    "scoringScript. An mlflow_model needs none; nor, online, does a triton_model, "
                    "or an environment that is an image with an inferenceConfig.",
                    at,
                )
            )
            return None
        if not configuration.code_id:
            self.faults.append(
                Detail("BadArgument", "codeId names the code version to run.", f"{at}.codeId")
            )
            return None
        if not self._may_name(CODES, configuration.code_id, f"{at}.codeId"):
            return None
        try:
            found = await self._assets.code(configuration.code_id)
        except DomainError as error:
            self._fault(error, f"{at}.codeId")
            return None
        try:
            await self._check_script(await self._assets.files(found), configuration.scoring_script)
        except DomainError as error:
            self._fault(error, f"{at}.scoringScript")
        return configuration.but(
            code_id=self._scope.path("codes", found.name, "versions", found.version)
        )

    async def _check_script(self, code: SealedFolder, script: str) -> None:
        path = PurePosixPath(script)
        kind = "file" if self._own_server is not None else ".py file"
        is_script = self._own_server is not None or path.suffix == ".py"
        if path.is_absolute() or ".." in path.parts or not is_script:
            raise Invalid(f"'{script}' is not a path of a {kind} inside the code.")
        if not script.isprintable():
            raise Invalid(f"{script!r} has a control character in it.")
        name = "/".join(part for part in (code.path, str(path)) if part)
        if all(file.name != name for file in await Seals(self._blobs).files(code)):
            raise Invalid(f"The code has no file '{script}'.")

    async def environment(
        self, reference: str | None, instance_type: str | None, size_at: str
    ) -> str | None:
        """The ARM id of the environment version meant, which the compute can provide on
        instances of `instance_type`, which is asked for at `size_at`."""
        at = "properties.environmentId"
        if not reference and self._own_server is not None:
            try:
                spec = self.capabilities.triton()
            except DomainError as error:
                self._fault(error, "properties.model")
                return None
            await self._check_provided(spec, instance_type, "properties.model", size_at)
            return None
        if not reference and self._mlflow is not None:
            try:
                spec = await MlflowModels(self._blobs).environment(self._mlflow)
            except (Invalid, Conflict) as error:
                self._faults(error, at)
                self._check_size(instance_type, size_at)
                return None
            await self._check_provided(spec, instance_type, at, size_at)
            return None
        if not reference:
            self.faults.append(
                Detail("BadArgument", "environmentId names the environment to run in.", at)
            )
            self._check_size(instance_type, size_at)
            return None
        if not self._may_name(ENVIRONMENTS, reference, at):
            return None
        try:
            spec, kept = await self._assets.environment_spec(reference)
        except DomainError as error:
            self._fault(error, at)
            self._check_size(instance_type, size_at)
            return None
        await self._check_provided(spec, instance_type, at, size_at)
        return kept

    async def folder(self, reference: str, target: str) -> str | None:
        """The ARM id of the data version meant, which is a folder that can be written into."""
        if not self._may_name(DATA, reference, target):
            return None
        try:
            found = await self._assets.data(reference)
        except DomainError as error:
            self._fault(error, target)
            return None
        place, is_folder = found.folder, found.properties.data_type is DataType.URI_FOLDER
        if place is None or not is_folder or place.container != DEFAULT or not place.path:
            told = f"'{found.name}:{found.version}' is no uri_folder in the datastore {DEFAULT}."
            self.faults.append(Detail("BadArgument", told, target))
        return self._scope.path("data", found.name, "versions", found.version)

    async def _check_provided(
        self, spec: EnvironmentSpec, instance_type: str | None, at: str, size_at: str
    ) -> None:
        for reason in await self.capabilities.refusals(spec, instance_type):
            target = size_at if "nstance type" in reason else at
            self.faults.append(Detail("BadArgument", reason, target))
        self.warnings += await self.capabilities.cautions(spec)

    def refuse(self) -> None:
        """Raises Forbidden with everything that may not be named, else Invalid with every
        fault."""
        self._rights.refuse()
        refuse(self.faults)

    def _may_name(self, kind: AssetKind, reference: str, target: str) -> bool:
        try:
            meant = parse_asset_reference(reference, kind.plural, self._scope)
        except Invalid:
            return True  # It names nothing, and is refused for that.
        return self._rights.may_name(kind.plural, meant.name, target)

    def _check_size(self, instance_type: str | None, target: str) -> None:
        try:
            self.capabilities.size(instance_type)
        except Invalid as error:
            self._fault(error, target)

    def _faults(self, error: DomainError, target: str) -> None:
        told = error.details or [Detail(error.code, error.message)]
        self.faults += [Detail(each.code, each.message, target) for each in told]

    def _fault(self, error: DomainError, target: str) -> None:
        self.faults.append(Detail(error.code, error.message, target))


def revision_of(properties: dict[str, Any]) -> str:
    """Names what runs: it changes with everything that a running instance would notice."""
    running = {key: value for key, value in properties.items() if key not in _DESCRIPTIVE}
    return hashlib.sha256(json.dumps(running, sort_keys=True).encode()).hexdigest()[:16]
