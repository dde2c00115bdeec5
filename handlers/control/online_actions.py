"""What can be asked of an online endpoint besides being there: tokens, going back to the
traffic before, reports on mirrored traffic. The last two are not Azure ML's."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.online.endpoint_tokens import EndpointToken
from domain.online.token_issuing import TokenIssuing
from domain.rollout.rollout_guarding import RolloutGuarding
from domain.rollout.shadow_reporting import ShadowReporting
from handlers import wire
from handlers.answers.online import OnlineEndpointAnswer, ShadowReportsAnswer
from handlers.auditing import Kept
from handlers.control.online_endpoints import ITEM, render_endpoint
from handlers.http import Routes, caller, json_response


def blueprint(
    routes: Routes,
    tokens: TokenIssuing,
    rollouts: RolloutGuarding,
    shadows: ShadowReporting,
) -> func.Blueprint:
    bp = func.Blueprint()

    @routes.arm(
        bp,
        "POST",
        f"{ITEM}/token",
        action="onlineEndpoints/token/action",
        summary="A token for an online endpoint in aml_token mode",
        answer=EndpointToken,
        kept=Kept.SECRET,
    )
    async def issue_online_endpoint_token(req: Request) -> Response:
        token = await tokens.token(req.path_params["endpoint"], caller(req))
        return json_response(wire.to_wire(token), headers={"Cache-Control": "no-store"})

    @routes.arm(
        bp,
        "POST",
        f"{ITEM}/rollBack",
        action="onlineEndpoints/write",
        summary="Go back to the traffic before the rollout, or before the last change",
        answer=OnlineEndpointAnswer,
    )
    async def roll_back_online_endpoint(req: Request) -> Response:
        stored = await rollouts.roll_back(req.path_params["endpoint"], caller(req).id)
        body = render_endpoint(routes, stored.resource)
        return json_response(body, headers={"ETag": stored.etag})

    @routes.arm(
        bp,
        "GET",
        f"{ITEM}/shadowReports",
        action="onlineEndpoints/shadowReports/read",
        summary="How the mirror's answers compare with the live deployments'",
        answer=ShadowReportsAnswer,
    )
    async def list_online_endpoint_shadow_reports(req: Request) -> Response:
        found = await shadows.reports(req.path_params["endpoint"])
        return json_response({"value": [wire.to_wire(report) for report in found]})

    return bp
