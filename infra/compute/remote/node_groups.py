"""What the nodes of a revision run, as a fleet and their agents are told of it."""

from collections.abc import Mapping
from typing import Any, Final

from domain.ports import OwnServer, Probe, ServingWorkload
from infra.compute.remote.fleet import NodeGroup
from infra.compute.remote.serving_record import Revision

_CONTRACT: Final = 1
DRAIN_MARGIN: Final = 2.0


def drain_of(workload: ServingWorkload) -> float:
    """Seconds for requests in flight when there are to be fewer nodes."""
    return workload.request_timeout.total_seconds() + DRAIN_MARGIN


def group_of(revision: Revision, secret: str) -> NodeGroup:
    workload = revision.workload
    return NodeGroup(
        name=revision.group,
        key=workload.key,
        program=workload.program,
        spec=_spec(revision),
        secret=secret,
        attempt=revision.attempt,
        drain=drain_of(workload),
    )


def _spec(revision: Revision) -> Mapping[str, Any]:
    workload = revision.workload
    program = workload.program
    most = workload.max_concurrent_requests
    server = program.server
    return {
        "contract": _CONTRACT,
        "mode": "serve",
        "revision": revision.group,
        "script": program.scoring_script,
        "environment_variables": {} if server else dict(program.environment_variables),
        "cpu": program.size.cpu,
        "serve": {
            "deployment": workload.key.rpartition("/")[2],
            "workers": workload.workers,
            "max_concurrent": most,
            "max_queue": most,
            "queue_wait_ms": round(workload.max_queue_wait.total_seconds() * 1000),
            "timeout_ms": round(workload.request_timeout.total_seconds() * 1000),
        },
        "liveness": _probe(workload.liveness),
        "readiness": _probe(workload.readiness),
        "drain_seconds": drain_of(workload),
        **({"server": _server(server)} if server is not None else {}),
    }


def _server(server: OwnServer) -> Mapping[str, Any]:
    routes = {
        "scoring": server.scoring,
        "liveness": server.liveness,
        "readiness": server.readiness,
    }
    return {name: {"path": route.path, "port": route.port} for name, route in routes.items()}


def _probe(probe: Probe) -> Mapping[str, float]:
    return {
        "initial_delay": probe.initial_delay,
        "period": probe.period,
        "timeout": probe.timeout,
        "success_threshold": probe.success_threshold,
        "failure_threshold": probe.failure_threshold,
    }
