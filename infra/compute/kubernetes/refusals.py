"""What a cluster says no to, as whoever deploys is told of it."""

from typing import Final

from infra.compute.ground.failure import StartFailure
from infra.compute.kubernetes.api.kubernetes_api import ApiRefusal, Object

_QUOTA: Final = "exceeded quota"
_RIGHTS: Final = "cannot "
_CODE: Final = "ResourceNotReady"


def told(refusal: ApiRefusal, namespace: str) -> str:
    """In a sentence or two: what, and what to do about it."""
    message = refusal.message.rstrip(".")
    if refusal.status == 401:
        return f"The cluster does not know who asks: {message}. Look at the credentials."
    if refusal.status == 404 and f'namespaces "{namespace}" not found' in message:
        return f"The cluster has no namespace '{namespace}': make it, or name another one."
    if _QUOTA in message:
        return f"The namespace's quota has no room for it: {message}."
    if refusal.status == 403 and _RIGHTS in message:
        return (
            f"The cluster does not let this host do it: {message}. Give it that verb by a Role "
            "(deploy/kubernetes/role/role.yaml has all that are needed)."
        )
    return f"The cluster refuses it: {message}."


def failure_of(refusal: ApiRefusal, namespace: str) -> StartFailure:
    code = "OutOfQuota" if _QUOTA in refusal.message else _CODE
    return StartFailure(code, told(refusal, namespace))


def failing(deployment: Object) -> StartFailure | None:
    """Why the cluster makes no more pods of it, where it does not."""
    for each in (deployment.get("status") or {}).get("conditions") or []:
        if each.get("type") == "ReplicaFailure" and each.get("status") == "True":
            refusal = ApiRefusal(403, "", str(each.get("message", "")))
            return failure_of(refusal, deployment["metadata"]["namespace"])
    return None
