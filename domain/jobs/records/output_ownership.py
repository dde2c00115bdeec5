"""How a job marks what it writes, to know its own work again and to leave others' alone."""

from domain.errors import Conflict

JOB = "ml_job"
STATE = "ml_state"
COMPLETE = "complete"
PARTIAL = "partial"
ALIGNING = "aligning"


class OutputDisturbed(Conflict):
    """Something else was written to the output's path, or a recorded block is gone."""

    code = "OutputDisturbed"


def obstructed(refusal: Conflict) -> OutputDisturbed:
    """For a path that can be no blob's: the store has said why."""
    return OutputDisturbed(
        f"Nothing can be written to the output's path: {refusal.message} Choose another output "
        "path, or remove what is in the way."
    )


def state_of(*, partial: bool) -> str:
    return PARTIAL if partial else COMPLETE


def disturbed(container: str, path: str) -> OutputDisturbed:
    return OutputDisturbed(
        f"Something else was written to '{container}/{path}' while the job ran; it was left as "
        "it is, and the job's own rows were not committed."
    )
