"""How the processes of an online deployment's instances are started."""

from domain.ports import ServingWorkload
from infra.compute.local.instances.launch import Launch, Prepared


def serving_launches(workload: ServingWorkload, prepared: Prepared) -> tuple[Launch, ...]:
    """One for each worker of an instance. Raises StartFailure."""
    return tuple(
        prepared.launch(
            "serve",
            (*_of_all(workload), *_share(workload, worker)),
            processes=workload.workers,
            liveness=workload.liveness,
            readiness=workload.readiness,
        )
        for worker in range(workload.workers)
    )


def _of_all(workload: ServingWorkload) -> tuple[str, ...]:
    queue_wait = workload.max_queue_wait.total_seconds()
    timeout = workload.request_timeout.total_seconds()
    return (
        *("--deployment", workload.key.rpartition("/")[2]),
        *("--queue-wait-ms", str(round(queue_wait * 1000))),
        *("--timeout-ms", str(round(timeout * 1000))),
    )


def _share(workload: ServingWorkload, worker: int) -> tuple[str, ...]:
    """What of the instance's requests one of its workers takes: the shares add up to it."""
    share, over = divmod(workload.max_concurrent_requests, workload.workers)
    most = str(share + (worker < over))
    return ("--max-concurrent", most, "--max-queue", most)
