"""The audit log, read as Azure Monitor's activity log is."""

from typing import Any

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.audit.auditing import Auditing
from domain.names import PROVIDER
from domain.ports import AuditRecord, AuditStatus
from handlers.access import audit_filter
from handlers.answers.access import ActAnswer
from handlers.http import Routes, paging

PATH = "providers/Microsoft.Insights/eventtypes/management/values"
QUERY: dict[str, Any] = {"$filter": {"type": "string"}}


def blueprint(routes: Routes, auditing: Auditing) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "GET",
        PATH,
        action="eventtypes/values/read",
        summary="Who did what: the audit log, newest first",
        lists=True,
        answer=ActAnswer,
        query=QUERY,
    )
    async def list_audit_records(req: Request) -> Response:
        asked = audit_filter.parsed(req.query_params.get("$filter", ""), routes.scope)
        page = paging(req)
        found = await auditing.query(asked, page_size=page.top, continuation=page.continuation)
        return routes.page(
            req, [_rendered(routes, each) for each in found.records], found.continuation
        )

    return bp


def _rendered(routes: Routes, record: AuditRecord) -> dict[str, Any]:
    """Azure Monitor's EventData; `properties` has what that has no place for."""
    scope = routes.scope
    resource = f"{scope.id}/{record.resource}" if record.resource else scope.id
    kind = "/".join(record.resource.split("/")[::2])
    begun = record.status is AuditStatus.STARTED
    properties = {
        "statusCode": record.code,
        "errorCode": record.error or None,
        "count": record.count,
        "client": record.client or None,
        "roles": list(record.roles),
        "operation": record.operation or None,
        "path": record.path or None,
        "userAgent": record.user_agent or None,
        "endTimestamp": record.ended_at.isoformat() if record.ended_at else None,
    }
    return {
        "id": f"{resource}/events/{record.id}",
        "eventDataId": record.id,
        "eventTimestamp": record.at.isoformat(),
        "eventName": _said("BeginRequest" if begun else "EndRequest"),
        "category": _said("Administrative"),
        "level": "Warning" if record.status is AuditStatus.FAILED else "Informational",
        "caller": record.caller or None,
        "operationName": _said(f"{PROVIDER}/workspaces/{record.action}"),
        "status": _said(record.status.value),
        "subStatus": _said(str(record.code or "")),
        "httpRequest": {
            "method": record.method or None,
            "clientIpAddress": record.address or None,
            "clientRequestId": record.client_request_id or None,
        },
        "correlationId": record.correlation_id or None,
        "resourceId": resource,
        "resourceType": _said(f"{PROVIDER}/workspaces" + (f"/{kind}" if kind else "")),
        "resourceGroupName": scope.resource_group,
        "resourceProviderName": _said(PROVIDER),
        "subscriptionId": scope.subscription,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }


def _said(value: str) -> dict[str, str]:
    return {"value": value, "localizedValue": value}
