"""What a file in an endpoint's folder of the inbox says of the endpoint's drops."""

import json
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from domain.assets.conda import load_yaml
from domain.drops.drop_limits import MOST_FILES
from domain.errors import Invalid
from domain.jobs.records.globs import Globs
from domain.jobs.records.job_request import JobProperties
from domain.values import Value

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

    @model_validator(mode="after")
    def _of_a_drop(self) -> "DropOptions":
        given = [name for name in _THE_DROP_SAYS if getattr(self.job, name)]
        if given:
            raise ValueError(f"a drop's job has its own input and name: leave out {given[0]}")
        return self


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
        told = [_sentence(dict(fault)) for fault in faults[:_MOST_FAULTS]]
        if len(faults) > len(told):
            told.append(f"and {len(faults) - len(told)} more faults")
        raise Invalid(f"{name} cannot be taken: {'; '.join(told)}.") from None


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
