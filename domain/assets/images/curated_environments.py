"""Azure ML's curated environments, and what each is here.

Theirs are images with Microsoft's inference server and tools around them; here an environment is
packages. So a name stands for those packages that a scoring script meets in the original, built on
our own base. `python -m domain.assets.images.curated_environments` writes
docs/curated-environments.md.
"""

import re
import sys
from dataclasses import dataclass
from typing import Final

from domain.assets.conda import HOST_PYTHON
from domain.assets.images import base_images
from domain.errors import Invalid
from domain.ports import EnvironmentSpec

PAGE: Final = "docs/curated-environments.md"
REGISTRY: Final = "azureml://registries/azureml/environments/"
_REFERENCE: Final = re.compile(
    rf"{re.escape(REGISTRY)}(?P<name>[^/]+)/(?:versions/(?P<version>[^/]+)|labels/(?P<label>[^/]+))",
    re.IGNORECASE,
)
_CURATED_IMAGE: Final = re.compile(
    r"mcr\.microsoft\.com/azureml/(?:curated/)?(?P<name>[A-Za-z0-9._-]+)(?:[:@].*)?"
)

_HOSTS: Final = "the host's"
_AROUND: Final = ("joblib>=1.2", "inference-schema>=1.7", "psutil", "requests")
_SCIENCE: Final = ("numpy>=1.22,<2", "pandas>=1.5.3,<3", "scipy>=1.10,<2", *_AROUND)
_MINIMAL: Final = ("numpy", "joblib", "azure-identity", "azure-storage-blob", "inference-schema")
_TORCH: Final = ("numpy<2", "pillow", "regex", *_AROUND)


@dataclass(frozen=True)
class Curated:
    """What a name is here. `python` None: that of the host, whichever it is."""

    requirements: tuple[str, ...]
    python: str | None = None
    gpu: bool = False

    @property
    def spec(self) -> EnvironmentSpec:
        return EnvironmentSpec(self.python or HOST_PYTHON, self.requirements)


CURATED: Final = {
    "sklearn-1.0": Curated(("scikit-learn~=1.0.0", *_SCIENCE), "3.9"),
    "sklearn-1.1": Curated(("scikit-learn~=1.1.0", *_SCIENCE), "3.9"),
    "sklearn-1.5": Curated(("scikit-learn~=1.5.0", *_SCIENCE)),
    "lightgbm-3.3": Curated(
        ("lightgbm>=4.6", "xgboost~=1.7.6", "scikit-learn~=1.5.1", *_SCIENCE),
    ),
    "minimal-ubuntu22.04-py39-cpu-inference": Curated(_MINIMAL, "3.9"),
    "minimal-ubuntu22.04-py311-cpu-inference": Curated(_MINIMAL, "3.11"),
    "minimal-py311-inference": Curated(_MINIMAL, "3.11"),
    "minimal-py312-inference": Curated(_MINIMAL, "3.12"),
    "minimal-py312-cuda12.4-inference": Curated(_MINIMAL, "3.12", gpu=True),
    "mlflow-py312-inference": Curated(
        ("mlflow", "scikit-learn", "cloudpickle", "psutil", "pandas", "numpy", "joblib"), "3.12"
    ),
    "tensorflow-2.16-cuda12": Curated(
        ("tensorflow==2.16.2", "tf-keras==2.16.0", "pillow", *_SCIENCE), gpu=True
    ),
    "acpt-pytorch-2.2-cuda12.1": Curated(("torch~=2.2.0", *_TORCH), gpu=True),
    "acpt-pytorch-2.8-cuda12.6": Curated(("torch~=2.8.0", "transformers", *_TORCH), gpu=True),
}


def is_curated(reference: str) -> bool:
    """Whether it names something of Azure ML's own registry."""
    return reference.casefold().startswith(REGISTRY)


def curated(reference: str) -> tuple[str, EnvironmentSpec]:
    """What `azureml://registries/azureml/environments/…` means here, the reference as it is kept
    first. Raises Invalid for one that the table does not have."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise Invalid(
            f"'{reference[:200]}' is not a reference: use {REGISTRY}<name>/versions/<version> or "
            f"{REGISTRY}<name>/labels/latest."
        )
    if match["label"] not in (None, "latest"):
        raise Invalid(f"'{reference[:200]}' names a label that is not known; use labels/latest.")
    name = match["name"].casefold()
    if name not in CURATED:
        raise Invalid(
            f"The curated environment '{match['name'][:100]}' has no counterpart here; there are "
            f"{', '.join(CURATED)} ({PAGE}). Register an environment with a condaFile."
        )
    end = f"versions/{match['version']}" if match["version"] else "labels/latest"
    return f"{REGISTRY}{name}/{end}", CURATED[name].spec


def of_image(image: str) -> EnvironmentSpec | None:
    """What a curated environment's own image is here, where no packages are named beside it."""
    match = _CURATED_IMAGE.fullmatch(image)
    row = CURATED.get(match["name"].casefold()) if match else None
    return row.spec if row is not None else None


def page() -> str:
    """The tables as a page of documentation."""
    rows = [
        f"| `{name}` | {row.python or _HOSTS} | "
        f"{', '.join(f'`{each}`' for each in row.requirements)} | "
        f"{'without the GPU' if row.gpu else ''} |"
        for name, row in CURATED.items()
    ]
    lines = [
        "# Azure ML's own environments and images",
        "",
        "Written by `python -m domain.assets.images.curated_environments`; do not edit it by hand.",
        "",
        "## Curated environments",
        "",
        "`azureml://registries/azureml/environments/NAME/labels/latest` (or `…/versions/N`, any N)",
        "as the environment of a deployment, and the images",
        "`mcr.microsoft.com/azureml/curated/NAME` and `mcr.microsoft.com/azureml/NAME` as an",
        "environment without a `condaFile`, stand for the packages below, on every compute. Any",
        "other name is refused. What the originals hold for training and for Microsoft's own",
        "inference server (`azureml-core`, `azureml-defaults`, `azureml-mlflow`, debuggers,",
        "notebooks) is left out; whoever imports one of these registers an environment with a",
        "`condaFile` of his own.",
        "",
        "| name | Python | packages | |",
        "|---|---|---|---|",
        *rows,
        "",
        *base_images.page(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
