"""Computes on the control plane. What is asked of one is done at once."""

from typing import Any

import azure.functions as func
from pydantic.alias_generators import to_camel

from domain.computes.compute_target import (
    OF_AML_COMPUTE,
    ClusterProperties,
    ComputeProperties,
    ComputeTarget,
)
from domain.computes.compute_targets import ComputeTargets
from domain.ground.resource import Stored, Wanted
from handlers import wire
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.http import Routes, render_resource

PATH = "computes"
_NODES = "Nodes are processes of this machine; they have no network or login of their own."

ARM_FIELDS: wire.ArmFields = {
    ComputeProperties: wire.OtherFields(
        read_only=(
            "provisioningState",
            "provisioningErrors",
            "createdOn",
            "modifiedOn",
            "isAttachedCompute",
        ),
    ),
    ClusterProperties: wire.OtherFields(
        read_only=(
            "allocationState",
            "allocationStateTransitionTime",
            "errors",
            "currentNodeCount",
            "targetNodeCount",
            "nodeStateCounts",
        ),
        refused={
            "isolatedNetwork": _NODES,
            "propertyBag": "There is nothing that would read it.",
            "subnet": _NODES,
            "userAccountCredentials": _NODES,
            "virtualMachineImage": "Nodes are processes of this machine, and use its own system.",
            **dict.fromkeys(
                (
                    "relayConnectionString",
                    "serviceBusConnectionString",
                    "extensionPrincipalId",
                    "extensionInstanceReleaseTrain",
                    "vcName",
                ),
                "No extension runs in the cluster: hosts ask its API server themselves.",
            ),
        },
    ),
}


def blueprint(routes: Routes, computes: ComputeTargets) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[ComputeTarget]) -> dict[str, Any]:
        target = stored.resource
        read_only = {
            "createdOn": target.created_at.isoformat(),
            "modifiedOn": target.modified_at.isoformat(),
            "isAttachedCompute": target.is_attached,
            "provisioningErrors": None,
        }
        shown = render_resource(target, routes.scope.path(PATH, target.name), PATH, read_only)
        if target.is_attached:
            for name in OF_AML_COMPUTE:
                shown["properties"]["properties"].pop(to_camel(name), None)
        return shown

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="compute",
            title="a compute: nodes for batch jobs, or an attached namespace of a cluster",
            path=PATH,
            body=Wanted[ComputeProperties],
            fields=ARM_FIELDS,
            get=computes.get,
            list=computes.list,
            put=computes.put,
            delete=computes.delete,
            render=rendered,
        ),
    )
    return bp
