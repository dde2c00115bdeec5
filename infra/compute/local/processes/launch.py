"""How one workload's processes are started: command, variables, folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.ports import Probe, Workload, WorkloadKind
from infra.compute.local.failure import StartFailure
from infra.compute.local.files.fetched_files import Asset
from infra.compute.local.files.outputs import Outputs
from infra.compute.local.processes import process_environment


@dataclass(frozen=True)
class Launch:
    """`command` lacks only its socket. `cpu` in cores, `memory` in bytes."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    cpu: float
    memory: int
    liveness: Probe
    readiness: Probe


def launches_of(
    workload: Workload,
    *,
    runtime: Path,
    virtual_environment: Path,
    code: Asset,
    model: Asset | None,
    outputs: Outputs,
) -> tuple[Launch, ...]:
    """One for each worker of an instance. Raises StartFailure if the scoring script is
    not among the code, or is outside of it."""
    root = code.root.resolve()
    ours = {"AML_APP_ROOT": str(root)}
    served = ["--mlflow"]
    if workload.scoring_script is not None:
        relative = _within(root, workload.scoring_script)
        ours["AZUREML_ENTRY_SCRIPT"] = relative
        served = ["--script", relative]
    if model is not None:
        ours["AZUREML_MODEL_DIR"] = str(model.folder)
    if workload.output is not None:
        output = outputs.folder(workload.key, workload.output)
        output.mkdir(parents=True, exist_ok=True)
        ours["AZUREML_BI_OUTPUT_PATH"] = str(output)
    command = [str(virtual_environment / "bin" / "python"), "-I", str(runtime)]
    command.append("serve" if workload.kind is WorkloadKind.ONLINE else "work")
    command += [*served, "--app-root", str(root)]
    workers = workload.workers
    cpu, memory = workload.cpu / workers, workload.memory // workers
    if workload.kind is WorkloadKind.ONLINE:
        queue_wait = workload.max_queue_wait.total_seconds()
        timeout = workload.request_timeout.total_seconds()
        command += ["--deployment", workload.key.rpartition("/")[2]]
        command += ["--queue-wait-ms", str(round(queue_wait * 1000))]
        command += ["--timeout-ms", str(round(timeout * 1000))]
    return tuple(
        Launch(
            command=(*command, *_share(workload, worker)),
            environment=process_environment.for_instance(
                virtual_environment, cpu, workload.environment_variables, ours
            ),
            folder=root,
            cpu=cpu,
            memory=memory,
            liveness=workload.liveness,
            readiness=workload.readiness,
        )
        for worker in range(workers)
    )


def _share(workload: Workload, worker: int) -> list[str]:
    """What of the instance's requests one of its workers takes: the shares add up to it."""
    if workload.kind is not WorkloadKind.ONLINE:
        return []
    share, over = divmod(workload.max_concurrent_requests, workload.workers)
    most = str(share + (worker < over))
    return ["--max-concurrent", most, "--max-queue", most]


def _within(root: Path, scoring_script: str) -> str:
    """The script's path relative to the code. Raises StartFailure."""
    script = (root / scoring_script).resolve()
    if not script.is_relative_to(root):
        raise StartFailure(
            "BadArgument", f"scoring_script {scoring_script!r} leaves the code's folder."
        )
    if not script.is_file():
        raise StartFailure(
            "BadArgument", f"scoring_script {scoring_script!r} is not among the code."
        )
    return script.relative_to(root).as_posix()
