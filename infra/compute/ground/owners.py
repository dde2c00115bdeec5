"""Whose a workload is, as the log and a bill name it."""

from collections.abc import Mapping
from typing import Final

ENDPOINT_TAG: Final = "azuremlendpoint"
DEPLOYMENT_TAG: Final = "azuremldeployment"
"""As Azure ML's managed endpoints are tagged."""


def owner_of(key: str) -> Mapping[str, object]:
    """Whom a key speaks of: `online/{endpoint}/{deployment}`, or else the key of workers."""
    _, _, place = key.partition("/")
    endpoint, slash, deployment = place.partition("/")
    if not slash:
        return {"pool": key}
    return {"endpoint": endpoint, "deployment": deployment}


def payer_tags(key: str) -> Mapping[str, str]:
    """By what a bill tells whose a resource is, for what runs for a deployment; nothing for
    workers, which jobs of several endpoints may share. Names of endpoints and deployments are
    legal as tags and labels everywhere."""
    kind, *names = key.split("/")
    if kind != "online" or len(names) != 2:
        return {}
    return {ENDPOINT_TAG: names[0], DEPLOYMENT_TAG: names[1]}
