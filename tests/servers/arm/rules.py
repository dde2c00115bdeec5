"""What Azure Resource Manager refuses of an app whose shape is right."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tests.servers.arm.records import Environment, Refused

_NAME: Final = re.compile(r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]")
_BOUNDS: Final = {
    "failureThreshold": (1, 10),
    "initialDelaySeconds": (0, 60),
    "periodSeconds": (1, 240),
    "timeoutSeconds": (1, 240),
}
_GPU: Final = {"Consumption-GPU-NC8as-T4": (8.0, 56.0), "Consumption-GPU-NC24-A100": (24.0, 220.0)}


def check(
    name: str, body: Mapping[str, Any], environment: Environment, identities: set[str]
) -> None:
    """Raises Refused with the first fault."""
    if not _NAME.fullmatch(name):
        told = f"Invalid ContainerApp name '{name}'."
        raise Refused(400, "ContainerAppInvalidName", told)
    told = body["properties"]
    _check_size(told, environment)
    for container in told["template"]["containers"]:
        _check_probes(container)
    _check_references(told)
    _check_identities(body, identities)
    scale = told["template"]["scale"]
    if not 0 <= scale["minReplicas"] <= scale["maxReplicas"] <= 1000:
        raise Refused(400, "ContainerAppInvalidScaleSpec", "Invalid replica counts.")
    if not 0 <= told["template"].get("terminationGracePeriodSeconds", 30) <= 600:
        raise Refused(400, "ContainerAppInvalidTerminationGracePeriod", "Over 600 seconds.")


def size_of(properties: Mapping[str, Any]) -> tuple[float, float]:
    """Cores and GiB of all its containers."""
    resources = [each["resources"] for each in properties["template"]["containers"]]
    cores = sum(float(each["cpu"]) for each in resources)
    return cores, sum(float(each["memory"].removesuffix("Gi")) for each in resources)


def _check_size(properties: Mapping[str, Any], environment: Environment) -> None:
    profile = properties["workloadProfileName"]
    kind = environment.kind_of(profile)
    if kind is None:
        told = f"Workload profile name {profile} is not valid in the environment."
        raise Refused(400, "WorkloadProfileNameInvalid", told)
    cores, memory = size_of(properties)
    is_right = cores > 0 and memory > 0
    if kind == "Consumption":
        steps = cores * 4 == int(cores * 4)
        is_right = steps and 0.25 <= cores <= 4 and memory == cores * 2
    elif kind in _GPU:
        is_right = (cores, memory) == _GPU[kind]
    elif cores >= float(kind[1:]) or memory >= float(kind[1:]) * (4 if kind[0] == "D" else 8):
        is_right = False
    if not is_right:
        told = f"The total requested CPU and memory ({cores:g}, {memory:g}Gi) is invalid in {kind}."
        raise Refused(400, "ContainerAppInvalidResourceTotal", told)


def _check_probes(container: Mapping[str, Any]) -> None:
    kinds = [each["type"] for each in container.get("probes") or []]
    if len(kinds) != len(set(kinds)):
        raise Refused(400, "ContainerAppProbeInvalid", "There are several of one type.")
    for probe in container.get("probes") or []:
        for what, (least, most) in _BOUNDS.items():
            if not least <= probe.get(what, least) <= most:
                told = f"{what} must be in the range of [{least},{most}]."
                raise Refused(400, "ContainerAppProbeInvalid", told)


def _check_references(properties: Mapping[str, Any]) -> None:
    configuration, template = properties["configuration"], properties["template"]
    secrets = {each["name"] for each in configuration.get("secrets") or []}
    asked = {
        variable["secretRef"]
        for container in template["containers"]
        for variable in container.get("env") or []
        if "secretRef" in variable
    }
    asked |= {
        registry["passwordSecretRef"]
        for registry in configuration.get("registries") or []
        if "passwordSecretRef" in registry
    }
    if missing := asked - secrets:
        told = f"SecretRef '{min(missing)}' defined for container is not found."
        raise Refused(400, "ContainerAppSecretRefNotFound", told)
    volumes = {each["name"] for each in template.get("volumes") or []}
    mounted = {
        mount["volumeName"]
        for container in [*template["containers"], *(template.get("initContainers") or [])]
        for mount in container.get("volumeMounts") or []
    }
    if missing := mounted - volumes:
        told = f"Volume '{min(missing)}' is not found."
        raise Refused(400, "ContainerAppVolumeNotFound", told)


def _check_identities(body: Mapping[str, Any], identities: set[str]) -> None:
    given = (body.get("identity") or {}).get("userAssignedIdentities") or {}
    for id in given:
        if id.casefold() not in identities:
            told = f"The identity {id} was not found."
            raise Refused(400, "FailedIdentityOperation", told)
    configuration = body["properties"]["configuration"]
    asked = [
        each["identity"] for each in configuration.get("registries") or [] if "identity" in each
    ]
    asked += [each["identity"] for each in configuration.get("identitySettings") or []]
    for id in asked:
        if id not in given:
            told = f"The identity {id} is not one of the app's."
            raise Refused(400, "ContainerAppIdentityNotAssigned", told)
