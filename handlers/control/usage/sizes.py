"""What sizes instances may have, and how much of the compute is promised: where the SDK asks for
it, above any workspace."""

import math
from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.names import PROVIDER
from domain.ports import Capabilities, Capacity, InstanceSize
from handlers.http import SUBSCRIPTION_ROUTE, Routes, json_response

_LOCATION = f"providers/{PROVIDER}/locations/{{location}}"
_FAMILY = "mlEndpointsFamily"


def blueprint(routes: Routes, capabilities: Capabilities) -> func.Blueprint:
    """There is one location; whatever it is called, this is what there is."""
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        f"{_LOCATION}/vmSizes",
        base=SUBSCRIPTION_ROUTE,
        action="computes/read",
        summary="List: the instance types that have a meaning here",
    )
    async def list_vm_sizes(req: Request) -> Response:
        found = capabilities.sizes()
        return json_response({"value": [_size(name, size) for name, size in found.items()]})

    @routes.arm(
        bp,
        "GET",
        f"{_LOCATION}/usages",
        base=SUBSCRIPTION_ROUTE,
        action="computes/read",
        summary="List: what of the compute is promised, and how much may be",
        lists=True,
    )
    async def list_usages(req: Request) -> Response:
        location = req.path_params["location"]
        found = [_usage(routes, location, each) for each in capabilities.capacities()]
        return routes.page(req, found, None)

    return bp


def _size(name: str, size: InstanceSize) -> dict[str, Any]:
    return {
        "name": name,
        "family": _FAMILY,
        "vCPUs": math.ceil(size.cpu),
        "gpus": size.gpus,
        "memoryGB": round(size.memory / 2**30, 2),
        "lowPriorityCapable": False,
        "premiumIO": False,
        "supportedComputeTypes": ["AmlCompute"],
    }


def _usage(routes: Routes, location: str, capacity: Capacity) -> dict[str, Any]:
    subscription = routes.scope.subscription
    of = f"/subscriptions/{subscription}/providers/{PROVIDER}/locations/{location}/usages"
    return {
        "id": f"{of}/{capacity.name}",
        "amlWorkspaceLocation": location,
        "type": f"{PROVIDER}/locations/usages",
        "unit": capacity.unit,
        "currentValue": math.ceil(capacity.promised),
        "limit": math.floor(min(capacity.limit, 2**53)),
        "name": {"value": capacity.name, "localizedValue": capacity.name},
    }
