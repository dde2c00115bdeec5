"""Which base images beside a conda file are ours.

Of such an image a model uses what is below Python: the system, and what comes with a conda
environment anyway. So Azure ML's own are as good as the base that the compute has.
"""

import re
from typing import Final

from domain.assets.images.image_name import HUB, ImageName
from domain.errors import Invalid

_OURS: Final = (
    (r"openmpi[\d.]+-ubuntu[\d.]+", "`openmpi…-ubuntu…`", "MPI is for training"),
    (r"openmpi[\d.]+-cuda[\d.]+(-cudnn\d+)?-ubuntu[\d.]+", "`openmpi…-cuda…-ubuntu…`", "no GPU"),
    (r"intelmpi[\d.]+-ubuntu[\d.]+", "`intelmpi…-ubuntu…`", "MPI is for training"),
    (r"base(-gpu)?", "`base`, `base-gpu`", "no GPU"),
    (r"minimal-[a-z0-9._-]*inference", "`minimal-…-inference`", "the server is ours"),
    (r"mlflow-[a-z0-9._-]*inference", "`mlflow-…-inference`", "the server is ours"),
    (
        r"inference-base-[a-z0-9._-]+|o16n-base/[a-z0-9._-]+",
        "`inference-base-…`, `o16n-base/…`",
        "the server is ours",
    ),
    (
        r"curated/[a-z0-9._-]+",
        "`curated/…`",
        "its own packages are in another environment than the condaFile's; no GPU",
    ),
)
_IMAGE: Final = re.compile(
    rf"mcr\.microsoft\.com/azureml/(?:{'|'.join(pattern for pattern, *_ in _OURS)})(?:[:@].*)?",
    re.IGNORECASE,
)


_BARE: Final = {
    "library/ubuntu": "`ubuntu`",
    "library/debian": "`debian`",
    "library/python": "`python`",
    "continuumio/miniconda3": "`continuumio/miniconda3`",
    "condaforge/miniforge3": "`condaforge/miniforge3`",
    "condaforge/mambaforge": "`condaforge/mambaforge`",
    "mambaorg/micromamba": "`mambaorg/micromamba`",
}
"""Of Docker Hub: a system, and at most a Python or conda beside which a conda file's stands."""


def is_ours(image: str) -> bool:
    """Whether an environment of a conda file on `image` is one on our own base."""
    if _IMAGE.fullmatch(image):
        return True
    try:
        name = ImageName.parse(image)
    except Invalid:
        return False
    return name.registry == HUB and name.repository in _BARE


def page() -> list[str]:
    """Their table, as lines of documentation."""
    return [
        "## Base images beside a condaFile",
        "",
        "An environment of a `condaFile` and one of these images, whatever its tag, is built on",
        "the base image of the compute (on this machine's own Python, where models are processes),",
        "with the Python and the packages that the `condaFile` says:",
        "",
        "| `mcr.microsoft.com/azureml/` | what is not there |",
        "|---|---|",
        *(f"| {shown} | {why} |" for _, shown, why in _OURS),
        "",
        "So it is with these of Docker Hub, which are a system and little else (Azure ML's SDK",
        f"wants an image beside each conda file): {', '.join(_BARE.values())}.",
        "",
        "Any other image beside a `condaFile` is used as it is where containers are",
        "([containers](containers.md#images)), and refused by name where models are processes.",
    ]
