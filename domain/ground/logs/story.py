"""What the log tells of facts: a line for each, once it is saved.

docs/logs.md has every `action`. Of batch jobs most lines come with their status
(domain/jobs/job_supervision.py), which passes through more than subscribers are told of.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from domain.ground.facts import EventType, Fact

_log = logging.getLogger("ml_endpoints.story")

_E = EventType
_ACTIONS: Final = {
    _E.ONLINE_ENDPOINT_CREATED: "endpoint_created",
    _E.BATCH_ENDPOINT_CREATED: "endpoint_created",
    _E.ONLINE_ENDPOINT_UPDATED: "endpoint_updated",
    _E.BATCH_ENDPOINT_UPDATED: "endpoint_updated",
    _E.ONLINE_ENDPOINT_DELETED: "endpoint_deleted",
    _E.BATCH_ENDPOINT_DELETED: "endpoint_deleted",
    _E.TRAFFIC_CHANGED: "traffic_moved",
    _E.ROLLOUT_STARTED: "rollout_begun",
    _E.ROLLOUT_COMPLETED: "rollout_completed",
    _E.ROLLOUT_ROLLED_BACK: "rollout_rolled_back",
    _E.ROLLOUT_ENDED: "rollout_ended",
    _E.ONLINE_DEPLOYMENT_READY: "deployment_ready",
    _E.BATCH_DEPLOYMENT_READY: "deployment_ready",
    _E.ONLINE_DEPLOYMENT_FAILED: "deployment_failed",
    _E.BATCH_DEPLOYMENT_FAILED: "deployment_failed",
    _E.ONLINE_DEPLOYMENT_DELETED: "deployment_deleted",
    _E.BATCH_DEPLOYMENT_DELETED: "deployment_deleted",
    _E.JOB_CREATED: "job_created",
    _E.BUDGET_PASSED: "budget_passed",
    _E.ALERT_FIRED: "alert_fired",
    _E.ALERT_RESOLVED: "alert_resolved",
    _E.JOB_ERROR_THRESHOLD_EXCEEDED: "job_threshold_exceeded",
}
SENTENCES: Final = {
    "endpoint_created": "Endpoint {endpoint} is created",
    "endpoint_updated": "Endpoint {endpoint} is updated",
    "endpoint_deleted": "Endpoint {endpoint} is gone",
    "traffic_moved": "The traffic of {endpoint} is {traffic} now, after {trafficBefore}",
    "rollout_begun": "Rollout {rollout} of {endpoint} begins with {traffic}",
    "rollout_completed": "Rollout {rollout} of {endpoint} is completed: {reason}",
    "rollout_rolled_back": "Rollout {rollout} of {endpoint} is rolled back: {reason}",
    "rollout_ended": "Rollout {rollout} of {endpoint} is ended: {reason}",
    "deployment_ready": "Deployment {deployment} of {endpoint} is ready",
    "deployment_failed": "Deployment {deployment} of {endpoint} has failed: {error}",
    "deployment_deleted": "Deployment {deployment} of {endpoint} is gone",
    "budget_passed": "{spent:.2f} {currency} of {amount:g} are spent since {since}: "
    "budget {budget} has passed {threshold:g} %",
    "alert_fired": "Alert {alert} has fired: {condition}",
    "alert_resolved": "Alert {alert} is resolved: {reason}",
    "job_created": "Job {job} for {endpoint} is taken",
    "job_threshold_exceeded": "Job {job} for {endpoint} has too many failures: {error}",
}
"""By action."""

_BAD: Final = frozenset(
    {
        *("deployment_failed", "rollout_rolled_back", "budget_passed", "alert_fired"),
        "job_threshold_exceeded",
    }
)


def tell(facts: Sequence[Fact]) -> None:
    """Call it once the facts hold."""
    for fact in facts:
        action = _ACTIONS.get(fact.type)
        if action is not None:
            _tell(action, fact)


def _tell(action: str, fact: Fact) -> None:
    fields: dict[str, object] = {"kind": fact.subject.partition("/")[0], **fact.data}
    error = fields.pop("error", None)
    if isinstance(error, Mapping):
        fields["code"] = error["code"]
        # Its later lines are what the instance said last, which `getLogs` has.
        fields["error"] = str(error["message"]).partition("\n")[0]
    if fact.generation is not None:
        fields["generation"] = fact.generation
    if fact.operation is not None:
        fields["operation"] = fact.operation
    level = logging.WARNING if action in _BAD else logging.INFO
    sentence = SENTENCES[action].format_map(fields)
    _log.log(level, "%s", sentence, extra={"action": action, **fields})
