"""Why a scoring request was not answered by a model, or not well, as its caller is told.

`status` is the code that Azure ML documents for its scoring URI: 401, 404, 408, 424 and 429
as on managed endpoints; 403 for a good token without the right to score; 413 for a body
over this installation's limit (Azure throttles instead); 502 for an instance that died with
a request in hand (the code of Kubernetes endpoints; managed ones blur it into 500, which
here would claim a fault of the gateway); 503 while the gateway cannot tell where to route;
499, which nobody receives, marks a caller that went away. Nor does anybody receive the code
under which an answer is counted that broke off after its head had gone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.ports import Break

MODEL_ERROR = "model_error"
MODEL_NOT_READY = "model_not_ready"
TOO_MANY_PENDING = "too_many_pending_request"

CALLER_GONE = 499

BROKEN_OFF = {
    Break.INSTANCE_LOST: (502, "AnswerLost"),
    Break.TIME_LIMIT: (408, "AnswerTimeout"),
    Break.CUT_OFF: (424, "AnswerCutOff"),
}
"""The code and reason under which an answer that broke off counts: as a failure of that kind
does before the first byte."""

OF_CALLERS = frozenset(
    {
        "AuthenticationFailed",
        "AuthorizationFailed",
        "DeploymentNotFound",
        "EndpointNotFound",
        "RequestBodyTimeout",
        "RequestEntityTooLarge",
        "TokenExpired",
        "TokenRevoked",
        "TooManyRequests",
    }
)
"""The codes of refusals that say nothing of whom was asked."""
OF_THE_GATEWAY = frozenset({"NoRoute", "ServiceUnavailable"})
"""Those of what is amiss before any deployment is asked."""

_SHOWN = 40


class Refused(Exception):
    """Raised on the scoring path; ends the request with this answer.

    `limit` and `load` are figures the caller can act on, `retry_after` whole seconds.
    `reason` is Azure ML's `ms-azureml-model-error-reason`; `caller` whose right is missing.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        limit: Mapping[str, Any] | None = None,
        load: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.limit = limit
        self.load = load
        self.retry_after = retry_after
        self.reason = reason
        self.caller = ""


def no_such_endpoint(name: str) -> Refused:
    """Told without a key: an endpoint's name is public (Azure's stands in DNS), and there is
    no key that a wrong name could be checked against."""
    return Refused(
        404,
        "EndpointNotFound",
        f"There is no online endpoint '{name[:_SHOWN]}' here. Check the name in the scoring URI.",
    )


def not_authenticated(auth_mode: str) -> Refused:
    """One answer for whatever is wrong with a credential."""
    return Refused(
        401,
        "AuthenticationFailed",
        "The credential is missing, malformed or not one of this endpoint's. Send "
        f"'Authorization: Bearer <credential>'; the endpoint's authMode is {auth_mode}"
        + _WHERE.get(auth_mode, "."),
    )


_WHERE = {
    "Key": " (listKeys shows its two keys).",
    "AMLToken": " (POST onlineEndpoints/{name}/token gives a token).",
    "AADToken": " (a token of the issuer's, for the scoring audience).",
}


def token_expired() -> Refused:
    """Told only of a token whose signature was right."""
    return Refused(
        401,
        "TokenExpired",
        "The token has expired. Ask for a new one, best when refreshAfterTimeUtc has come.",
    )


def token_revoked() -> Refused:
    """Told only of a token whose signature was right."""
    return Refused(
        401,
        "TokenRevoked",
        "The client that was given this token was changed or removed since. Ask for a new token.",
    )


def not_permitted(endpoint: str, caller: str) -> Refused:
    """The credential is good, its holder's right is missing (Azure answers 401 to both)."""
    refusal = Refused(
        403,
        "AuthorizationFailed",
        f"'{caller[:_SHOWN]}' may not do 'onlineEndpoints/score/action' on endpoint "
        f"'{endpoint}'. Give it the role scorer, or scorer/onlineEndpoints/{endpoint}.",
    )
    refusal.caller = caller
    return refusal


def too_many_refused(retry_after: int) -> Refused:
    """The credential was not looked at."""
    return Refused(
        429,
        "TooManyRequests",
        "Too many credentials that are none came from your address within a minute. Try again "
        f"after {retry_after} seconds.",
        retry_after=retry_after,
    )


def no_such_deployment(endpoint: str, name: str, there: Sequence[str]) -> Refused:
    return Refused(
        404,
        "DeploymentNotFound",
        f"The header azureml-model-deployment names '{name[:_SHOWN]}', which endpoint "
        f"'{endpoint}' does not have (there: {', '.join(sorted(there)) or 'none'}).",
    )


def no_route(endpoint: str, there: Sequence[str]) -> Refused:
    return Refused(
        404,
        "NoRoute",
        f"No deployment of endpoint '{endpoint}' has traffic (there: "
        f"{', '.join(sorted(there)) or 'none'}). Give one traffic, or name one in the header "
        "azureml-model-deployment.",
    )


def body_too_large(limit: int) -> Refused:
    return Refused(
        413,
        "RequestEntityTooLarge",
        f"The request's body is larger than {limit} bytes. Send less, or use a batch endpoint.",
        limit={"max_request_bytes": limit},
    )


def body_stalled() -> Refused:
    return Refused(
        408,
        "RequestBodyTimeout",
        "The request's body stopped coming before its end. Send the request again.",
    )


def body_too_slow(rate: int) -> Refused:
    return Refused(
        408,
        "RequestBodyTimeout",
        f"The request's body came more slowly than {rate} bytes a second. Send less at once.",
        limit={"min_bytes_per_second": rate},
    )


def too_many_uploads(deployment: str, most: int) -> Refused:
    return Refused(
        429,
        "TooManyPendingRequests",
        f"{most} large bodies are on their way to deployment '{deployment}' already. Small "
        "requests go on; send this one again after the time given.",
        limit={"large_bodies": most},
        retry_after=1,
        reason=TOO_MANY_PENDING,
    )


def timed_out(deployment: str, seconds: float) -> Refused:
    limit = round(seconds * 1000)
    return Refused(
        408,
        "RequestTimeout",
        f"Deployment '{deployment}' did not answer within its request_timeout_ms of {limit}. "
        "Send less in one request, or raise request_settings.request_timeout_ms of the "
        "deployment.",
        limit={"request_timeout_ms": limit},
    )


def not_ready(deployment: str, state: str) -> Refused:
    return Refused(
        424,
        "ModelNotReady",
        f"No instance of deployment '{deployment}' takes requests now (its provisioning state "
        f"is {state}). Nothing was run; try again. If it stays so, getLogs tells why.",
        load={"ready_instances": 0},
        retry_after=1,
        reason=MODEL_NOT_READY,
    )


def not_awake(deployment: str, seconds: float) -> Refused:
    return Refused(
        424,
        "ModelNotReady",
        f"Deployment '{deployment}' slept or was being restored, and no instance took requests "
        f"after {seconds:g} s. Nothing was run; try again. If it stays so, getLogs tells why.",
        limit={"wake_wait_seconds": seconds},
        load={"ready_instances": 0},
        retry_after=1,
        reason=MODEL_NOT_READY,
    )


def too_many_waiting(deployment: str, most: int) -> Refused:
    return Refused(
        429,
        "TooManyPendingRequests",
        f"Deployment '{deployment}' is coming up, and {most} requests wait for it already.",
        limit={"waiting": most},
        load={"ready_instances": 0},
        retry_after=1,
        reason=TOO_MANY_PENDING,
    )


def overloaded(
    deployment: str,
    *,
    max_concurrent: int,
    instances: int,
    in_flight: int,
    instance_load: Mapping[str, Any] | None,
    retry_after: int,
) -> Refused:
    """`in_flight` is what this gateway has under way; `instance_load` what the instance that
    refused said of itself."""
    load: dict[str, Any] = {"in_flight": in_flight}
    if instance_load:
        load["instance"] = dict(instance_load)
    return Refused(
        429,
        "TooManyPendingRequests",
        f"Deployment '{deployment}' has more requests pending than its {instances} instance(s) "
        f"take ({max_concurrent} at once each, and a short queue). Send fewer at once and "
        "retry after the time given, or raise max_concurrent_requests_per_instance or the "
        "instance count.",
        limit={
            "max_concurrent_requests_per_instance": max_concurrent,
            "instances": instances,
        },
        load=load,
        retry_after=retry_after,
        reason=TOO_MANY_PENDING,
    )


def instance_lost(deployment: str, why: str) -> Refused:
    return Refused(
        502,
        "InstanceLost",
        f"An instance of deployment '{deployment}' went away while it worked on the request "
        f"({why}) It may or may not have been carried out, so it was not repeated. getLogs "
        "tells how the instance ended.",
        retry_after=1,
        reason=MODEL_ERROR,
    )


def route_unknown(why: str) -> Refused:
    return Refused(503, "ServiceUnavailable", why, retry_after=1)
