"""Which numpy goes with packages that were compiled before numpy 2.

What was compiled for numpy 1 does not load beside numpy 2 ("numpy.dtype size changed"), and says
nothing of it on PyPI: a resolver takes the newest numpy for it. conda's packages of the same
versions do say so.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

BOUND: Final = "numpy<2"
_FIRST: Final[Mapping[str, str]] = {
    "bottleneck": "1.4.0",
    "contourpy": "1.2.1",
    "fastparquet": "2024.5.0",
    "gensim": "4.3.3",
    "h5py": "3.11.0",
    "matplotlib": "3.8.4",
    "ml-dtypes": "0.4.0",
    "numba": "0.60.0",
    "numexpr": "2.10.0",
    "onnxruntime": "1.19.0",
    "opencv-python": "4.10.0.84",
    "opencv-python-headless": "4.10.0.84",
    "pandas": "2.2.2",
    "pyarrow": "16.0.0",
    "pywavelets": "1.6.0",
    "scikit-image": "0.23.0",
    "scikit-learn": "1.4.2",
    "scipy": "1.13.0",
    "shap": "0.46.0",
    "spacy": "3.8.0",
    "statsmodels": "0.14.2",
    "tables": "3.9.3",
    "tensorflow": "2.18.0",
    "tensorflow-cpu": "2.18.0",
    "tokenizers": "0.15.0",
    "torch": "2.3.0",
}
"""The first version of each whose wheels load beside numpy 2."""


def bound(requirements: Sequence[str]) -> str | None:
    """A further requirement, where one pins a version from before numpy 2 and none says anything
    of numpy's."""
    read = [Requirement(each) for each in requirements]
    if any(canonicalize_name(each.name) == "numpy" and each.specifier for each in read):
        return None
    return BOUND if any(_is_older(each) for each in read) else None


def _is_older(requirement: Requirement) -> bool:
    first = _FIRST.get(canonicalize_name(requirement.name))
    return first is not None and any(
        clause.operator in ("==", "~=", "<", "<=", "===") and _below(clause.version, first)
        for clause in requirement.specifier
    )


def _below(version: str, first: str) -> bool:
    """Whether every version that is meant is: `1.2.*` stands for its first, and so does a `~=`,
    which may reach further."""
    try:
        return Version(version.removesuffix(".*")) < Version(first)
    except InvalidVersion:
        return False
