"""A body that is good for each operation that takes one."""

from collections.abc import Mapping
from typing import Any


class Bodies:
    """Of the workspace with this path: `code` is the id of a registered code that has `score.py`
    and, for jobs, `lines.py`; `uris` are of uploaded folders by kind of asset."""

    def __init__(self, workspace: str, code: str, uris: Mapping[str, str]) -> None:
        self._workspace, self._code, self._uris = workspace, code, uris
        self._known: dict[str, Any] = {}
        tags = {"tags": {"a": "b"}}
        container: dict[str, Any] = {"properties": {}}
        upload = {"pendingUploadType": "TemporaryBlobReference"}
        self._bodies: Mapping[str, Any] = {
            **{f"patch_{each}": tags for each in _TAGGED},
            **{f"patch_{each}": {"properties": tags} for each in _TAGGED_WITHIN},
            **{f"put_{each}": container for each in _CONTAINERS},
            **{f"start_{each}_upload": upload for each in ("code", "data", "model")},
            "put_code_version": self._asset("codes", "codeUri"),
            "put_data_version": self._asset("data", "dataUri", dataType="uri_folder"),
            "put_environment_version": {"properties": {"condaFile": "dependencies: [python]"}},
            "put_model_version": self._asset("models", "modelUri"),
            "patch_metric_alert": {"properties": {"severity": 3}},
            "put_metric_alert": self._alert(),
            "put_online_endpoint": {"properties": {"authMode": "Key"}},
            "put_online_deployment": self._online(),
            "put_batch_endpoint": {"properties": {"authMode": "Key"}},
            "put_batch_deployment": self._batch(),
            "put_budget": {"properties": {"amount": 1, "timeGrain": "Daily"}},
            "put_client": {"properties": {"role": "reader"}},
            "patch_client": {"properties": {"role": "scorer"}},
            "put_compute": {
                "properties": {
                    "computeType": "AmlCompute",
                    "properties": {"vmSize": "local", "scaleSettings": {"maxNodeCount": 1}},
                }
            },
            "patch_compute": {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}},
            "put_connection": {
                "properties": {
                    "category": "PythonFeed",
                    "target": "https://packages.example/team",
                    "authType": "None",
                }
            },
            "patch_connection": {"properties": {"target": "https://packages.example/other"}},
            "put_event_mapping": {"properties": {"endpointName": "kept", "job": self._job()}},
            "patch_event_mapping": {"properties": {"filter": {"subjectEndsWith": ".csv"}}},
            "put_event_subscription": {
                "properties": {
                    "destination": {
                        "endpointType": "WebHook",
                        "properties": {"endpointUrl": "https://events.example/hook"},
                    }
                }
            },
            "patch_event_subscription": {"properties": {"filter": {"subjectEndsWith": "x"}}},
            "put_schedule": self._schedule(),
            "invoke_batch_endpoint": {"properties": self._job()},
            "invoke_batch_endpoint_by_host": {"properties": self._job()},
            "regenerate_online_endpoint_key": {"keyType": "Primary"},
            "regenerate_batch_endpoint_key": {"keyType": "Secondary"},
            "regenerate_event_mapping_keys": {"keyType": "Primary"},
            "regenerate_event_subscription_keys": {},
            "get_online_deployment_logs": {"containerType": "InferenceServer", "tail": 5},
            "get_job_logs": {"containerType": "InferenceServer", "tail": 5},
            "receive_events": {
                "specversion": "1.0",
                "type": "arrived",
                "source": "here",
                "id": "1",
            },
            "put_job": {"properties": {"displayName": "named"}},
            "patch_run": {"displayName": "named"},
            "patch_run_of_experiment": {"displayName": "named"},
            "score_online_endpoint": {"print": 1},
            "score_online_endpoint_by_host": {"print": 1},
        }

    def good(self, operation: str) -> Any:
        """None for an operation that takes no body, or one that is not known here."""
        return self._known.get(operation, self._bodies.get(operation))

    def know(self, *, principal: str, job: str) -> None:
        """An identity's principal, to which roles can be given, and a job that has ended."""
        self._known = {
            **{
                f"put_role_assignment_of_{scope}": {
                    "properties": {"roleDefinitionId": role, "principalId": principal}
                }
                for scope, role in _ROLES.items()
            },
            "get_run_data": {"runId": job},
        }

    def _asset(self, kind: str, uri: str, **properties: Any) -> dict[str, Any]:
        return {"properties": {uri: self._uris[kind], **properties}}

    def _script(self, script: str = "score.py") -> dict[str, Any]:
        return {
            "codeConfiguration": {"codeId": self._code, "scoringScript": script},
            "environmentId": f"{self._workspace}/environments/bare/versions/1",
        }

    def _online(self) -> dict[str, Any]:
        kind = {"endpointComputeType": "Managed", "instanceType": "Standard_DS1_v2"}
        return {
            "sku": {"name": "Default", "capacity": 1},
            "properties": {**kind, **self._script()},
        }

    def _batch(self) -> dict[str, Any]:
        model = {"referenceType": "Id", "assetId": "azureml:kept:1"}
        script = {**self._script("lines.py"), "miniBatchSize": 1, "errorThreshold": -1}
        return {"properties": {"model": model, "compute": "local", **script}}

    def held(self) -> dict[str, Any]:
        """Of a batch deployment whose jobs do not end."""
        body = self._batch()
        body["properties"]["environmentVariables"] = {"GATE": "/nowhere"}
        return body

    def _job(self) -> dict[str, Any]:
        return {"inputData": {"in": {"jobInputType": "UriFolder", "uri": self._uris["data"]}}}

    def _alert(self) -> dict[str, Any]:
        criterion = {
            "name": "many",
            "metricName": "RequestsPerMinute",
            "operator": "GreaterThan",
            "threshold": 100,
            "timeAggregation": "Average",
        }
        return {
            "location": "global",
            "properties": {
                "scopes": [f"{self._workspace}/onlineEndpoints/kept"],
                "evaluationFrequency": "PT1M",
                "windowSize": "PT5M",
                "severity": 2,
                "criteria": {"allOf": [criterion]},
            },
        }

    def _schedule(self) -> dict[str, Any]:
        return {
            "properties": {
                "trigger": {"triggerType": "Cron", "expression": "0 3 * * *"},
                "action": {
                    "actionType": "InvokeBatchEndpoint",
                    "endpointInvocationDefinition": {
                        "endpointName": "kept",
                        "properties": self._job(),
                    },
                },
            }
        }


_ROLES = {
    "group": "Endpoint Scorer",
    "workspace": "AzureML Data Scientist",
    "resource": "Reader",
    "account": "Storage Blob Data Contributor",
    "container": "Storage Blob Data Contributor",
}
_CONTAINERS = ("code", "data", "environment", "model")
_TAGGED_WITHIN = (*_CONTAINERS, *(f"{each}_version" for each in _CONTAINERS))
_TAGGED = (
    *("online_endpoint", "online_deployment", "batch_endpoint", "batch_deployment", "schedule"),
)
