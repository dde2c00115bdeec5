"""How one process is started: command, variables, folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from domain.ports import Probe, Program
from infra.compute.ground import process_environment
from infra.compute.ground.failure import StartFailure
from infra.compute.ground.fetched_files import Asset
from infra.compute.identity_lending import Lent
from infra.compute.local.isolation.plans import for_python

_USUAL = Probe()


@dataclass(frozen=True)
class Launch:
    """`command` lacks only its socket. `cpu` in cores, `memory` in bytes. `owner` is whose
    processes may be told apart from others' at all. It reads what is below `readable` and writes
    below `writable`; one that `takes_units` is lent the files of each."""

    owner: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    cpu: float
    memory: int
    liveness: Probe
    readiness: Probe
    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    takes_units: bool
    closed: bool
    """Whether it is kept from every network."""


@dataclass(frozen=True)
class Prepared:
    """What a program needs, on this machine by now. `owner` is the key of what runs it."""

    owner: str
    program: Program
    runtime: Path
    virtual_environment: Path
    code: Asset
    model: Asset | None
    identity: Lent

    def launch(
        self,
        mode: str,
        options: tuple[str, ...] = (),
        *,
        processes: int = 1,
        liveness: Probe = _USUAL,
        readiness: Probe = _USUAL,
        output: Path | None = None,
    ) -> Launch:
        """One of the `processes` that share the program's size; `mode` is the runtime's. Its
        script may write files of its own to `output`. Raises StartFailure if the scoring script
        is not among the code, or is outside of it."""
        program, root = self.program, self.code.root.resolve()
        ours = {"AML_APP_ROOT": str(root)}
        if output is not None:
            ours["AZUREML_BI_OUTPUT_PATH"] = str(output)
        script: tuple[str, ...] = ("--mlflow",)
        if program.scoring_script is not None:
            relative = _within(root, program.scoring_script)
            ours["AZUREML_ENTRY_SCRIPT"] = relative
            script = ("--script", relative)
        if self.model is not None:
            ours["AZUREML_MODEL_DIR"] = str(self.model.folder)
        python = self.virtual_environment / "bin" / "python"
        cpu = program.size.cpu / processes
        assets = [asset.folder for asset in (self.code, self.model) if asset is not None]
        return Launch(
            owner=self.owner,
            command=(
                *(str(python), "-I", str(self.runtime), mode),
                *(*script, "--app-root", str(root)),
                *options,
            ),
            environment=process_environment.for_instance(
                self.virtual_environment,
                cpu,
                {**self.identity.variables, **program.environment_variables},
                ours,
            ),
            folder=root,
            cpu=cpu,
            memory=program.size.memory // processes,
            liveness=liveness,
            readiness=readiness,
            readable=(self.runtime, *for_python(python), *assets, *self.identity.readable),
            writable=() if output is None else (output,),
            takes_units=mode == "work",
            closed=program.closed,
        )


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
