"""Every setting of the app, read once, at start.

A setting is `ML_ENDPOINTS_<NAME>` in the environment, or under "Values" of
local.settings.json, where the environment wins (as Functions Core Tools has it). A blank
value is the same as none. Nothing else in the app reads the environment. Connections and
telemetry go by the names that the Functions host and the SDKs know, so that each is told
once. What each setting means stands with it in `adapters` and `features`.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_type_hints

from pydantic import ValidationError

from infra.settings.adapters import (
    AccessSettings,
    CloudSettings,
    ComputeSettings,
    DoorSettings,
    EmbeddedSettings,
    IdentitySettings,
    InstallationSettings,
    ReachSettings,
    TelemetrySettings,
    TriggerSettings,
    WebSettings,
)
from infra.settings.container_apps import ContainerAppsSettings
from infra.settings.features import (
    BatchSettings,
    CollectingSettings,
    DropSettings,
    FigureSettings,
    LedgerSettings,
    ScalingSettings,
    ScheduleSettings,
    ScoringSettings,
    TokenSettings,
)
from infra.settings.group import PREFIX, SettingsGroup
from infra.settings.kubernetes import KubernetesSettings
from infra.settings.packages import PackageSettings

_NEEDED_IN_AZURE = (
    ("service_bus_connection", "service_bus_namespace"),
    ("blob_connection", "blob_service_url"),
    ("cosmos_connection", "cosmos_endpoint"),
    ("cipher_key",),
)
_WAKE_WAIT_OF_APPS = "120"
_of_installation = InstallationSettings.environment_name
_PLATFORM, _HOST, _BASE_URL = map(_of_installation, ("platform", "host", "base_url"))
_SERVES = _of_installation("serves")
_OF_FLEETS = ("docker", "container_apps", "kubernetes")
_ISSUER = IdentitySettings.environment_name("token_issuer")
_JWKS_URL = IdentitySettings.environment_name("token_jwks_url")

EMBEDDED_DEFAULTS = {
    _BASE_URL: "https://127.0.0.1:7443",
    _of_installation("subscription_id"): "00000000-0000-0000-0000-000000000000",
    _of_installation("resource_group"): "local",
    _of_installation("workspace"): "workspace",
    _of_installation("location"): "local",
    IdentitySettings.environment_name("token_audience"): "api://ml-endpoints",
}
"""What an embedded host takes where it is told nothing; a Functions host must be told."""


class SettingsError(Exception):
    """Says everything that is wrong with the settings at once, by environment name."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("the settings are not right:\n" + "\n".join(f"  - {f}" for f in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Settings:
    """The whole configuration, by adapter and by feature."""

    installation: InstallationSettings
    identity: IdentitySettings
    triggers: TriggerSettings
    embedded: EmbeddedSettings
    door: DoorSettings
    cloud: CloudSettings
    compute: ComputeSettings
    container_apps: ContainerAppsSettings
    kubernetes: KubernetesSettings
    web: WebSettings
    reach: ReachSettings
    access: AccessSettings
    packages: PackageSettings
    telemetry: TelemetrySettings
    tokens: TokenSettings
    scoring: ScoringSettings
    collecting: CollectingSettings
    figures: FigureSettings
    ledger: LedgerSettings
    scaling: ScalingSettings
    batch: BatchSettings
    drops: DropSettings
    schedules: ScheduleSettings

    @classmethod
    def groups(cls) -> dict[str, type[SettingsGroup]]:
        """By field."""
        return get_type_hints(cls)

    @classmethod
    def names(cls) -> list[str]:
        """Every setting's name in the environment."""
        return [n for group in cls.groups().values() for n in group.environment_names().values()]

    @classmethod
    def read(cls, environment: Mapping[str, str], local_settings: Path | None = None) -> Self:
        """The settings that `environment` over the file `local_settings` (which need not
        exist) amounts to. Raises SettingsError with every fault at once."""
        values = {**_file_values(local_settings), **environment}
        names = cls.names()
        told = {k: v.strip() for k, v in values.items() if v.strip()}
        unknown = [k for k in sorted(told) if k.startswith(PREFIX) and k not in names]
        faults = [_unknown(name, names) for name in unknown]
        faults.extend(_missing_in_azure(told))
        faults.extend(_missing_for_apps(told))
        faults.extend(_missing_in_a_cluster(told))
        faults.extend(_lacking_for_a_gateway(told))
        faults.extend(_unresolved(told, names))
        given = {**_defaults(told), **_for_apps(told), **told}
        read: dict[str, Any] = {
            field: _read(group, given, faults) for field, group in cls.groups().items()
        }
        if faults:
            raise SettingsError(faults)
        return cls(**read)


def _read(
    group: type[SettingsGroup], given: Mapping[str, str], faults: list[str]
) -> SettingsGroup | None:
    """None, and more `faults`, where it cannot be."""
    try:
        return group.model_validate(group.among(given))
    except ValidationError as error:
        faults.extend(_fault(dict(fault)) for fault in error.errors())
        return None


def _missing_in_azure(told: Mapping[str, str]) -> list[str]:
    if told.get(_PLATFORM) != "azure":
        return []
    needed = [list(map(CloudSettings.environment_name, either)) for either in _NEEDED_IN_AZURE]
    return [
        " or ".join(either) + ": missing"
        for either in needed
        if not any(name in told for name in either)
    ]


def _missing_for_apps(told: Mapping[str, str]) -> list[str]:
    if told.get(ComputeSettings.environment_name("kind")) != "container_apps":
        return []
    needed = (
        ContainerAppsSettings.environment_name("environment"),
        ComputeSettings.environment_name("image_registry"),
    )
    return [
        f"{name}: missing, and models run as Container Apps" for name in needed if name not in told
    ]


def _missing_in_a_cluster(told: Mapping[str, str]) -> list[str]:
    if told.get(ComputeSettings.environment_name("kind")) != "kubernetes":
        return []
    name = ComputeSettings.environment_name("image_registry")
    return [] if name in told else [f"{name}: missing, and pods have their images from there"]


def _lacking_for_a_gateway(told: Mapping[str, str]) -> list[str]:
    """Whatever it does not do itself another host has to do for it."""
    if told.get(_SERVES) != "scoring":
        return []
    compute = ComputeSettings.environment_name("kind")
    needed = (
        (_PLATFORM, ("azure",), "stores that another host shares"),
        (_HOST, ("embedded",), "the embedded host"),
        (compute, _OF_FLEETS, "instances that another host shares"),
    )
    return [
        f"{name}: {' or '.join(values)}, as {_SERVES}=scoring needs {why}"
        for name, values, why in needed
        if told.get(name) not in values
    ]


def _unresolved(told: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """A reference that the platform could not resolve comes as it was written: it would be taken
    for the secret that it stands for."""
    return [
        f"{name}: its Key Vault reference was not resolved. Look at it under the app's environment "
        "variables in the portal: the identity needs the role Key Vault Secrets User on it, "
        "and the vault must be reachable from the app. Then restart the app"
        for name in names
        if told.get(name, "").casefold().startswith("@microsoft.keyvault(")
    ]


def _defaults(told: Mapping[str, str]) -> dict[str, str]:
    if told.get(_PLATFORM) != "embedded" and told.get(_HOST) != "embedded":
        return {}
    base_url = told.get(_BASE_URL, EMBEDDED_DEFAULTS[_BASE_URL]).rstrip("/")
    issuer = told.get(_ISSUER, base_url)
    return {
        **EMBEDDED_DEFAULTS,
        _ISSUER: issuer,
        _JWKS_URL: f"{issuer.rstrip('/')}/oauth2/v2.0/keys",
    }


def _for_apps(told: Mapping[str, str]) -> dict[str, str]:
    """What Container Apps take longer for."""
    if told.get(ComputeSettings.environment_name("kind")) != "container_apps":
        return {}
    return {ScalingSettings.environment_name("wake_wait"): _WAKE_WAIT_OF_APPS}


def _file_values(path: Path | None) -> dict[str, str]:
    if path is None or not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8")).get("Values", {})
        wrong = [k for k, v in values.items() if not isinstance(v, str)]
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError([f'{path.name}: not a JSON object with "Values": {error}']) from error
    if wrong:
        raise SettingsError([f"{path.name}: the value of {k} must be a string" for k in wrong])
    return dict(values)


def read_values(environment: Mapping[str, str], local_settings: Path) -> dict[str, str]:
    """Environment over the file's "Values": what the Functions host would hand the app."""
    return {**_file_values(local_settings), **environment}


def _unknown(name: str, known: Sequence[str]) -> str:
    # What all have in common says nothing of how near two are.
    short = {each.removeprefix(PREFIX): each for each in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), short, n=1, cutoff=0.6)
    return f"{name}: no such setting" + (f"; did you mean {short[near[0]]}?" if near else "")


def _fault(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:  # of several settings together; it names them itself
        return message
    return f"{error['loc'][0]}: " + ("missing" if error["type"] == "missing" else message)
