"""What a batch job is invoked with, from flags and YAML, as REST has it. What is local is put into
the workspace's store, under its content's hash, so that it is there once."""

from pathlib import Path
from typing import Any

from cli.assets.content import content_of
from cli.assets.stores import put_content
from cli.documents.overrides import apply
from cli.failures import UsageFailed
from cli.host.arm import Arm
from cli.kinds.assets import REMOTE
from cli.kinds.spans import iso_duration

_AS_IT_IS = ("include", "exclude", "inventory")
_INPUTS = {"uri_folder": "UriFolder", "uri_file": "UriFile"}
_LITERALS = ("string", "integer", "number", "float", "boolean")
_TOLD = (
    "literal inputs are for pipelines, here as in Azure ML: a model deployment reads files. What "
    "its script is to know, an environment variable of the job says."
)


def request(arm: Arm, document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The properties of an invocation; paths of the document are from `folder`. Raises
    UsageFailed with every fault."""
    faults: list[str] = []
    inputs = _named(document, "inputs", faults)
    outputs = _named(document, "outputs", faults)
    for name, each in outputs.items():
        if not isinstance(each.get("path"), str):
            faults.append(f"outputs.{name}: its path is missing: azureml://datastores/…/paths/….")
    faults += filter(None, (_input_fault(name, each) for name, each in inputs.items()))
    if faults:
        raise UsageFailed("The job can't be invoked so:", faults=faults)
    others = {name: each for name, each in document.items() if name not in ("inputs", "outputs")}
    properties: dict[str, Any] = _camel(others)
    if "resources" in properties:
        properties["compute"] = properties.pop("resources")
    timeout = properties.get("retrySettings", {}).get("timeout")
    if isinstance(timeout, int | float):
        properties["retrySettings"]["timeout"] = iso_duration(timeout)
    if inputs:
        properties["InputData"] = {
            name: {
                **job_input(arm, each["path"], each.get("type", "uri_folder"), folder),
                **{name: each[name] for name in _AS_IT_IS if name in each},
            }
            for name, each in inputs.items()
        }
    if outputs:
        properties["OutputData"] = {
            name: {
                "JobOutputType": _INPUTS.get(each.get("type", ""), "UriFolder"),
                "Uri": each["path"],
            }
            for name, each in outputs.items()
        }
    return properties


def put_pairs(document: dict[str, Any], section: str, texts: list[str]) -> None:
    """`NAME=PATH`, or `NAME.path=PATH` and `NAME.type=TYPE`, below a section of the document.
    Raises UsageFailed."""
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageFailed(f"--{section} {text!r}: NAME=PATH belongs here.")
        place = name if "." in name else f"{name}.path"
        apply(document, [f"{section}.{place}={value}"])


def job_input(arm: Arm, value: str, kind: str, folder: Path) -> dict[str, Any]:
    """One input. Raises UsageFailed for what isn't there."""
    if kind not in _INPUTS:
        raise UsageFailed(f"{kind!r} is no type of input: {', '.join(_INPUTS)}.")
    if REMOTE.match(value) or value.startswith(("azureml:", "/subscriptions/")):
        return {"JobInputType": _INPUTS[kind], "Uri": value}
    source = folder / value
    if not source.exists():
        raise UsageFailed(f"{value}: there is no such file or folder.")
    uri = put_content(arm, "workspaceblobstore", content_of(source))
    return {"JobInputType": "UriFile" if source.is_file() else "UriFolder", "Uri": uri}


def _named(document: dict[str, Any], section: str, faults: list[str]) -> dict[str, dict[str, Any]]:
    """Each with its fields; plain text is a path."""
    listed = document.get(section) or {}
    if not isinstance(listed, dict):
        faults.append(f"{section}: names with a type and a path belong here.")
        return {}
    return {
        str(name): each
        if isinstance(each, dict)
        else {"path": each}
        if isinstance(each, str)
        else {"default": each}
        for name, each in listed.items()
    }


def _input_fault(name: str, given: dict[str, Any]) -> str:
    kind = given.get("type", "uri_folder")
    if kind in _LITERALS or ("path" not in given and "default" in given):
        return f"inputs.{name}: {_TOLD}"
    if kind not in _INPUTS:
        return f"inputs.{name}: {kind!r} is no type of input: {', '.join(_INPUTS)}."
    if not isinstance(given.get("path"), str):
        return f"inputs.{name}: its path is missing: a file, a folder, or where one is."
    return ""


def _camel(value: Any) -> Any:
    """Names as REST has them, but for those that are the user's own."""
    if not isinstance(value, dict):
        return value
    named: dict[str, Any] = {}
    for name, each in value.items():
        first, *further = str(name).split("_")
        said = first + "".join(part[:1].upper() + part[1:] for part in further)
        own = said in ("environmentVariables", "tags", "properties")
        named[said] = each if own else _camel(each)
    return named
