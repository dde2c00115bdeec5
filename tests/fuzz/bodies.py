"""What gets past the first checks: names of a few that recur, so that what one call makes the next
one finds, and a body that is good for each operation, to be sent as it is or beside generated ones.
"""

from collections.abc import Mapping
from typing import Any

NAMES: Mapping[str, tuple[str, ...]] = {
    "endpoint": ("shop", "lines", "fresh"),
    "deployment": ("blue", "green"),
    "name": ("first", "second", "local"),
    "version": ("1", "2"),
}
"""By path parameter."""


def good_bodies(workspace: str, code: str) -> Mapping[str, Any]:
    """By operation id; `code` is a registered code's id, which has `score.py`."""
    environment = f"{workspace}/environments/bare/versions/1"
    online = {
        "sku": {"name": "Default", "capacity": 0},
        "properties": {
            "endpointComputeType": "Managed",
            "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
            "environmentId": environment,
            "instanceType": "Standard_DS1_v2",
        },
    }
    batch = {
        "properties": {
            "model": {"referenceType": "Id", "assetId": "azureml:first:1"},
            "codeConfiguration": {"codeId": code, "scoringScript": "score.py"},
            "environmentId": environment,
            "compute": "local",
        }
    }
    place = "azureml://datastores/workspaceblobstore/paths/in"
    job = {"properties": {"InputData": {"in": {"JobInputType": "UriFolder", "Uri": place}}}}
    action = {
        "actionType": "InvokeBatchEndpoint",
        "endpointInvocationDefinition": {"endpointName": "lines", **job},
    }
    uri = f"{place}/x"
    return {
        "put_online_endpoint": {"properties": {"authMode": "Key"}},
        "patch_online_endpoint": {"tags": {"a": "b"}},
        "put_online_deployment": online,
        "patch_online_deployment": {"tags": {"a": "b"}},
        "put_batch_endpoint": {"properties": {}},
        "patch_batch_endpoint": {"tags": {"a": "b"}},
        "put_batch_deployment": batch,
        "patch_batch_deployment": {"properties": {"miniBatchSize": 3}},
        "invoke_batch_endpoint": job,
        "put_model": {"properties": {}},
        "put_model_version": {"properties": {"modelUri": uri}},
        "put_data": {"properties": {"dataType": "uri_folder"}},
        "put_data_version": {"properties": {"dataUri": uri, "dataType": "uri_folder"}},
        "put_environment": {"properties": {}},
        "put_environment_version": {"properties": {"condaFile": "dependencies: [python=3.11]"}},
        "put_code": {"properties": {}},
        "put_compute": {
            "location": "local",
            "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "local"}},
        },
        "put_schedule": {
            "properties": {
                "trigger": {"triggerType": "Cron", "expression": "0 3 * * *"},
                "action": action,
            }
        },
        "regenerate_online_endpoint_key": {"keyType": "Primary"},
        "get_online_deployment_logs": {"containerType": "InferenceServer", "tail": 5},
    }
