"""MLflow models that bring their own environment and need no scoring script.

An `mlflow_model` says in its file MLmodel how it is loaded, what it takes, and which files
list its Python packages. Those lists go by the rules of every environment here (domain/conda);
what they cannot be built from is refused with the reason.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from domain.assets import conda
from domain.assets.sealing.seals import SealedFile, Seals
from domain.errors import Detail, Invalid
from domain.ports import BlobStore, EnvironmentSpec, SealedFolder

FILE = "MLmodel"

_MAX_BYTES = 1 << 20
_MAX_LISTS = 16
_MLFLOW = frozenset({"mlflow", "mlflow-skinny"})
_CONDA, _VIRTUALENV, _REQUIREMENTS = "conda.yaml", "python_env.yaml", "requirements.txt"


class MlflowModels:
    """Reads registered models in `blobs`, as they were when they were registered: raises
    AssetChanged for a file that no more is."""

    def __init__(self, blobs: BlobStore) -> None:
        self._seals = Seals(blobs)
        self._listed_of: tuple[SealedFolder, Mapping[str, SealedFile]] | None = None

    async def environment(self, model: SealedFolder) -> EnvironmentSpec:
        """What the model's own files ask for. Raises Invalid with every fault in `details`."""
        flavor, _ = await self._described(model)
        text, source = await self._conda(model, flavor)
        spec, faults = conda.read(text)
        if spec is None:
            raise _refusal([f"The model's {source}: {fault.message}" for fault in faults])
        if not any(_is_mlflow(requirement) for requirement in spec.requirements):
            raise _refusal(
                [
                    f"The model's {source} lists neither mlflow nor mlflow-skinny, which loads "
                    "the model. Log the model again, or give the deployment an environment."
                ]
            )
        return spec

    async def check(self, model: SealedFolder, *, needs_signature: bool) -> None:
        """Raises Invalid for a model that cannot be run without a scoring script."""
        _, described = await self._described(model)
        if not needs_signature:
            return
        signature = described.get("signature")
        if not isinstance(signature, Mapping) or not signature.get("inputs"):
            raise _refusal(
                [
                    "The model has no signature, so a request cannot be told apart from its "
                    "dialect. Log it with one (infer_signature), or give codeConfiguration."
                ]
            )

    async def _described(self, model: SealedFolder) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The pyfunc flavor, and all that MLmodel says."""
        text = await self._text(model, FILE)
        described = _mapping(text, FILE) if text is not None else {}
        flavors = described.get("flavors")
        flavor = flavors.get("python_function") if isinstance(flavors, Mapping) else None
        if not isinstance(flavor, Mapping):
            raise _refusal(
                [
                    "The model has no python_function flavor, by which every MLflow model is "
                    "served; give codeConfiguration with a script that loads it."
                ]
            )
        return flavor, described

    async def _conda(self, model: SealedFolder, flavor: Mapping[str, Any]) -> tuple[str, str]:
        """The environment as a conda file, and the name of the file it comes from."""
        named = flavor.get("env")
        files = dict(named) if isinstance(named, Mapping) else {"conda": named}
        for name in dict.fromkeys((files.get("conda"), _CONDA)):
            text = await self._text(model, name) if isinstance(name, str) else None
            if text is not None and isinstance(name, str):
                return text, name
        python = str(flavor.get("python_version") or "")
        for name in dict.fromkeys((files.get("virtualenv"), _VIRTUALENV)):
            text = await self._text(model, name) if isinstance(name, str) else None
            if text is not None and isinstance(name, str):
                described = _mapping(text, name)
                listed = described.get("dependencies")
                requirements = await self._listed(model, listed if isinstance(listed, list) else [])
                return _as_conda(str(described.get("python") or python), requirements), name
        text = await self._text(model, _REQUIREMENTS)
        if text is None:
            raise _refusal(
                [
                    f"The model says nothing of its environment: it has no {_CONDA}, "
                    f"{_VIRTUALENV} or {_REQUIREMENTS}. Give the deployment an environmentId."
                ]
            )
        return _as_conda(python, _lines(text)), _REQUIREMENTS

    async def _listed(self, model: SealedFolder, entries: list[Any]) -> list[Any]:
        """Requirements, where `-r file` stands for the lines of one of the model's files: of at
        most `_MAX_LISTS`, each read once, with `_MAX_BYTES` between them."""
        found: list[Any] = []
        read: set[str] = set()
        left = _MAX_BYTES
        for entry in entries:
            if not isinstance(entry, str) or not entry.startswith("-r "):
                found.append(entry)
                continue
            name = entry.removeprefix("-r ").strip()
            if name in read:
                continue
            read.add(name)
            if len(read) > _MAX_LISTS:
                raise _refusal([f"The model lists its packages in over {_MAX_LISTS} files."])
            text = await self._text(model, name)
            if text is None:
                raise _refusal([f"The model has no file '{name[:80]}', which it names."])
            left -= len(text.encode())
            if left < 0:
                raise _refusal([f"The model lists its packages in over {_MAX_BYTES} bytes."])
            found += _lines(text)
        return found

    async def _text(self, model: SealedFolder, name: str) -> str | None:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise _refusal([f"'{name[:80]}' is not a path of the model's own."])
        path = "/".join(part for part in (model.path, name) if part)
        if self._listed_of is None or self._listed_of[0] != model:
            files = await self._seals.files(model)
            self._listed_of = model, {file.name: file for file in files}
        file = self._listed_of[1].get(path)
        if file is None:
            return None
        if file.size > _MAX_BYTES:
            raise _refusal([f"The model's {name} is larger than {_MAX_BYTES} bytes."])
        reading = self._seals.reading(model, file)
        text = b"".join([piece async for piece in reading.pieces()])
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise _refusal([f"The model's {name} is not UTF-8."]) from None


def _mapping(text: str, name: str) -> Mapping[str, Any]:
    try:
        found = conda.load_yaml(text, f"model's {name}")
    except Invalid as error:
        raise _refusal([error.message]) from None
    if not isinstance(found, Mapping):
        raise _refusal([f"The model's {name} is not a mapping."])
    return found


def _lines(text: str) -> list[str]:
    """The requirements of a requirements.txt, without comments."""
    lines = (line.strip() for line in text.splitlines())
    return [line.split(" #")[0].strip() for line in lines if line and not line.startswith("#")]


def _as_conda(python: str, requirements: list[Any]) -> str:
    dependencies: list[Any] = [f"python={python}"] if python else []
    return json.dumps({"dependencies": [*dependencies, {"pip": requirements}]}, default=str)


def _is_mlflow(requirement: str) -> bool:
    return canonicalize_name(Requirement(requirement).name) in _MLFLOW


def _refusal(faults: list[str]) -> Invalid:
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    details = [Detail("BadArgument", fault) for fault in faults]
    return Invalid(f"{faults[0]}{more}", details=details)
