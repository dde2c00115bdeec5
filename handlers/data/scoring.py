"""The scoring URI of online endpoints and their OpenAPI document, for callers with a key.

Every refusal is JSON: `error` with `code`, `message` and, where there are any, `limit`,
`load` and `retry_after_seconds`. What the model says passes through untouched.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import quote

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse

from domain.scoring.online_scoring import OnlineScoring
from domain.scoring.scoring_exchange import SCORE, SWAGGER, Answer, Call
from domain.scoring.scoring_headers import Headers
from domain.scoring.scoring_refusals import CALLER_GONE, Refused
from handlers.addresses import Handler
from handlers.data.caller import LOOK_AFTER, Caller, Receive
from handlers.data.cors import Cors
from handlers.data.scoring_gate import ScoringGate
from handlers.http import Method, Routes

_ANNOUNCING = frozenset({"content-length", "transfer-encoding"})
_SCORE_METHODS = ["GET", "POST", "OPTIONS"]
_ALL_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_BELOW_HOST = ("score", "v1", "v2")
"""Of a Host that names an endpoint, what else its server may be asked for: other paths are the
installation's own."""
_STATUSES = (200, 401, 403, 404, 408, 413, 424, 429, 502, 503)


def blueprint(
    routes: Routes, scoring: OnlineScoring, cors_origins: Sequence[str] = ()
) -> func.Blueprint:
    """`endpoints/{endpoint}/...`, and the same under a Host of `{endpoint}.<domain>`; pages
    of `cors_origins` may call them."""
    bp = func.Blueprint()
    gate = ScoringGate(scoring, routes.admission.door)
    cors = Cors(cors_origins)
    reading = ["GET", "OPTIONS"] if cors else ["GET"]

    def serve(name: str, route: str, methods: list[str], summary: str, handler: Handler) -> None:
        # Described by the method that Azure ML documents; the container knows others too.
        method: Method = "POST" if "POST" in methods else "GET"
        routes.describe(name, method, route, summary, statuses=_STATUSES)
        routes.register(bp, name, methods, route, handler)

    async def score(req: Request) -> Response:
        return await _pass(gate, cors, req, req.path_params["endpoint"], SCORE)

    async def score_by_host(req: Request) -> Response:
        return await _pass(gate, cors, req, routes.addresses.endpoint_of_host(req), SCORE)

    async def below(req: Request) -> Response:
        path = "/" + _raw_path(req).split("/", 3)[3]
        return await _pass(gate, cors, req, req.path_params["endpoint"], path)

    async def below_host(req: Request) -> Response:
        return await _pass(gate, cors, req, routes.addresses.endpoint_of_host(req), _raw_path(req))

    async def described(req: Request, endpoint: str) -> Response:
        place = routes.addresses.of_online_endpoint(endpoint)
        return await _pass(gate, cors, req, endpoint, SWAGGER, place)

    async def openapi(req: Request) -> Response:
        return await described(req, req.path_params["endpoint"])

    async def openapi_by_host(req: Request) -> Response:
        return await described(req, routes.addresses.endpoint_of_host(req))

    told = "Score on the deployment that the traffic, or azureml-model-deployment, names"
    serve("score_online_endpoint", "endpoints/{endpoint}/score", _SCORE_METHODS, told, score)
    told = "Score on the endpoint that the Host's first label names"
    serve("score_online_endpoint_by_host", "score", _SCORE_METHODS, told, score_by_host)
    told = "Whatever else the deployment's own server has, below its root or the scoring URI"
    # Tried after all others below an endpoint: the order is that of the names.
    route = "endpoints/{endpoint}/{*path}"
    serve("score_online_endpoint_path", route, _ALL_METHODS, told, below)
    for first in _BELOW_HOST:
        name, route = f"score_online_endpoint_path_by_host_{first}", f"{first}/{{*path}}"
        serve(name, route, _ALL_METHODS, told, below_host)
    told = "The OpenAPI document of the endpoint's model"
    route = "endpoints/{endpoint}/swagger.json"
    serve("get_online_endpoint_openapi", route, reading, told, openapi)
    told = "The OpenAPI document of the endpoint that the Host's first label names"
    serve("get_online_endpoint_openapi_by_host", "swagger.json", reading, told, openapi_by_host)
    return bp


async def _pass(
    gate: ScoringGate,
    cors: Cors,
    request: Request,
    endpoint: str,
    path: str,
    place: str = "",
) -> Response:
    if not cors:
        return await _scored(gate, request, endpoint, path, place)
    allowed = {SCORE: _SCORE_METHODS, SWAGGER: ["GET"]}.get(path, _ALL_METHODS)
    response = cors.preflight(request, allowed)
    if response is None:
        response = await _scored(gate, request, endpoint, path, place)
        cors.permit(request, response)
    return response


async def _scored(
    gate: ScoringGate, request: Request, endpoint: str, path: str, place: str
) -> Response:
    scope = request.scope
    announces_body = False
    headers: Headers = []
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1")
        value = raw_value.decode("latin-1")
        headers.append((name, value))
        if name in _ANNOUNCING and value != "0":
            announces_body = True
    caller = Caller(request.receive, announces_body=announces_body, admitted=scope.get("admitted"))
    query = scope["query_string"].decode("latin-1")
    answer: Answer | None = None
    call = Call(endpoint, scope["method"], path, query, headers, caller)
    with caller:
        answer = await gate.answer(call, request, place)
    if answer is None:
        return Response(status_code=CALLER_GONE)
    if answer.refusal is None:
        caller.admit()
    return render(answer, caller)


def render(answer: Answer, caller: Caller) -> Response:
    body = answer.body
    if answer.refusal is not None:
        body = render_refusal(answer.refusal)
        answer.headers.append(("content-type", "application/json"))
    response: Response
    if isinstance(body, bytes):
        response = Response(body, answer.status)
        raw = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers
            if name != "content-length"
        ]
        raw += response.raw_headers
    else:
        response = _Passing(body, answer.status, caller)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    response.raw_headers = raw
    return response


def _raw_path(request: Request) -> str:
    """Still percent-encoded."""
    raw: bytes | None = request.scope.get("raw_path")
    return quote(request.url.path) if raw is None else raw.decode("latin-1").partition("?")[0]


class _Passing(StreamingResponse):
    """An answer that may begin before the request's body has ended. Only who reads the body
    may ask the server for messages until then, or pieces of it would get lost."""

    def __init__(self, body: AsyncIterator[bytes], status: int, caller: Caller) -> None:
        super().__init__(body, status)
        self._caller = caller

    async def listen_for_disconnect(self, receive: Receive) -> None:
        # An event for this would cost every request.
        while not self._caller.body_ended:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AFTER)
        await super().listen_for_disconnect(receive)


def render_refusal(refusal: Refused) -> bytes:
    error = {
        "code": refusal.code,
        "message": refusal.message,
        "limit": refusal.limit,
        "load": refusal.load,
        "retry_after_seconds": refusal.retry_after,
    }
    return json.dumps({"error": {k: v for k, v in error.items() if v is not None}}).encode()
