"""What a file in an endpoint's folder of the inbox says of the endpoint's drops."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator

from domain.assets.conda import load_yaml
from domain.drops.drop_limits import MOST_FILES
from domain.errors import Invalid
from domain.jobs.records.globs import Globs
from domain.jobs.records.job_request import JobProperties
from domain.values import Value, salvaged

MOST_BYTES = 64 * 1024
"""Of an options file."""
_MOST_FAULTS = 20
_THE_DROP_SAYS = ("input_data", "dataset", "name")

_Quiet = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))]
_Wait = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=7))]


class DropOptions(Value):
    """What is left out is as the installation's settings, or the deployment, have it. `job` is
    what an invocation's `properties` may say, but for its input and name. Globs are over names
    below the endpoint's folder; what they leave out is never scored."""

    deployment: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    quiet_period: _Quiet | None = None
    max_wait: _Wait | None = None
    max_files: Annotated[int, Field(ge=1, le=MOST_FILES)] | None = None
    max_bytes: Annotated[int, Field(ge=1)] | None = None
    include: Globs = ()
    exclude: Globs = ()
    job: JobProperties = JobProperties()

    @field_validator("job")
    @classmethod
    def _of_a_drop(cls, job: JobProperties) -> JobProperties:
        given = [name for name in _THE_DROP_SAYS if getattr(job, name)]
        if given:
            said = ", ".join(given)
            raise ValueError(f"a drop's job has its own input and name: leave out {said}")
        return job


class BadOptions(Invalid):
    """`told` are the faults of a file of options; `rest` is what it says otherwise, as far as
    that can be known."""

    def __init__(self, name: str, told: Sequence[str], rest: DropOptions | None) -> None:
        more = len(told) - _MOST_FAULTS
        some = [*told[:_MOST_FAULTS], *([f"and {more} more faults"] if more > 0 else [])]
        super().__init__(f"{name} cannot be taken: {'; '.join(some)}.")
        self.told = tuple(told)
        self.rest = rest

    def with_others(self, name: str, others: Sequence[str]) -> "BadOptions":
        """With faults of the rest."""
        return BadOptions(name, [*self.told, *others], self.rest)


def parse(content: bytes, name: str) -> DropOptions:
    """The options that a file's content spells, in JSON or YAML by its name; fields in
    camelCase or snake_case. Raises Invalid with every fault in its message."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"{name} has more than {MOST_BYTES} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{name} is not UTF-8 text.") from None
    found = _json(text, name) if name.endswith(".json") else load_yaml(text, f"file {name}")
    if found is None:
        return DropOptions()
    if not isinstance(found, dict):
        raise Invalid(f"{name} has to be one mapping of options.")
    try:
        return DropOptions.model_validate(found)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        rest = salvaged(DropOptions, found)
        raise BadOptions(name, [_sentence(dict(fault)) for fault in faults], rest) from None


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Invalid(f"{name} nests too deeply.") from None
    except ValueError as error:
        raise Invalid(f"{name} is not valid JSON: {error}.") from None


def _sentence(fault: dict[str, Any]) -> str:
    where = ".".join(str(part)[:80] for part in fault["loc"])
    what = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        what = "there is no such option"
    return f"{where}: {what}" if where else what
