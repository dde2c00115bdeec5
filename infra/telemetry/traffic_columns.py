"""A scoring request in the columns of Azure Monitor's table AmlOnlineEndpointTrafficLog."""

from collections.abc import Mapping
from typing import Any

from domain.scoring.request_record import RequestRecord


def traffic_columns(record: RequestRecord, workspace: Mapping[str, str]) -> dict[str, Any]:
    """What the request says, and `Caller`, whose credential it came with; `workspace` are the
    columns that are the same for all."""
    passing = 0.0 if record.streamed is None else record.streamed.duration
    before = record.total_seconds - record.model_seconds - passing
    return {
        "Method": record.method,
        "Path": record.path,
        **workspace,
        "EndpointName": record.endpoint,
        "DeploymentName": record.deployment,
        "Protocol": "HTTP",
        "ResponseCode": record.code,
        "ResponseCodeReason": record.reason,
        "ModelStatusCode": record.model_status,
        "ModelStatusReason": record.model_reason,
        "RequestPayloadSize": record.request_bytes,
        "ResponsePayloadSize": record.response_bytes,
        "UserAgent": record.user_agent,
        "XRequestId": record.request_id,
        "XMSClientRequestId": record.client_request_id,
        "TotalDurationMs": _milliseconds(record.total_seconds),
        "RequestDurationMs": _milliseconds(max(before, 0.0)),
        "ResponseDurationMs": _milliseconds(passing),
        "RequestThrottlingDelayMs": 0,
        "ResponseThrottlingDelayMs": 0,
        "Caller": record.caller,
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
