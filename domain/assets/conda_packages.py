"""Which PyPI package stands for a conda package.

Environments are built from PyPI wheels alone, so a conda package counts only if this table
knows what it is there. `python -m domain.assets.conda_packages` writes docs/conda-packages.md.
"""

import re
import sys
from collections.abc import Mapping

PAGE = "docs/conda-packages.md"

_SAME = """
absl-py accelerate adlfs aiohttp altair anyio attrs azure-core azure-identity
azure-storage-blob beautifulsoup4 bokeh boto3 botocore bottleneck catboost category-encoders
certifi cffi click cloudpickle colorama cryptography cycler cython datasets dill einops
evaluate fastapi fastparquet filelock fiona flask flax fsspec gensim geopandas grpcio gunicorn
h5py httpx huggingface-hub hyperopt idna imageio imbalanced-learn inference-schema ipykernel
ipython jax jaxlib jinja2 joblib jsonschema keras kiwisolver lightgbm lightning llvmlite lxml lz4
markdown markupsafe matplotlib mlflow mlflow-skinny mlxtend mpmath multidict narwhals networkx nltk
numba numexpr numpy onnx onnxruntime openpyxl optuna orjson packaging pandas patsy pillow
plotly polars prophet protobuf psutil pyarrow pycparser pydantic pydantic-core pygments
pyjwt pyodbc pyparsing pyproj pytest python-dateutil python-dotenv pytorch-lightning pytz
pyyaml rasterio regex requests rich ruamel-yaml s3fs safetensors scikit-image scikit-learn scipy
seaborn sentence-transformers sentencepiece setuptools shap shapely simplejson six
skl2onnx skops sktime spacy sqlalchemy starlette statsmodels sympy tabulate tensorboard
tensorflow tensorflow-cpu threadpoolctl tokenizers toml torchaudio torchmetrics torchvision
tqdm transformers typer typing-extensions tzdata ujson umap-learn urllib3 uvicorn websockets
werkzeug wheel xarray xgboost xlrd yarl zarr zstandard
"""

_OTHER = {
    "dask": "dask[complete]",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "faiss-cpu": "faiss-cpu",
    "libopencv": "opencv-python-headless",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "onnxruntime-cpu": "onnxruntime",
    "opencv": "opencv-python-headless",
    "polars-default": "polars",
    "protobuf-python": "protobuf",
    "psycopg2": "psycopg2-binary",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "python-flatbuffers": "flatbuffers",
    "python-tzdata": "tzdata",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "scikit-learn-intelex": "scikit-learn-intelex",
    "tensorflow-base": "tensorflow",
    "uvicorn-standard": "uvicorn[standard]",
}

_WHEELS = "PyPI's wheels bring their own"
_IGNORED = {
    "_libgcc_mutex": _WHEELS,
    "_openmp_mutex": _WHEELS,
    "_py-xgboost-mutex": _WHEELS,
    "blas": _WHEELS,
    "ca-certificates": _WHEELS,
    "cpuonly": "torch runs on the CPU where there is no GPU",
    "libblas": _WHEELS,
    "libgcc": _WHEELS,
    "libgcc-ng": _WHEELS,
    "libgomp": _WHEELS,
    "libopenblas": _WHEELS,
    "libstdcxx": _WHEELS,
    "libstdcxx-ng": _WHEELS,
    "libxgboost": _WHEELS,
    "llvm-openmp": _WHEELS,
    "mkl": _WHEELS,
    "nomkl": _WHEELS,
    "openssl": _WHEELS,
    "pip": "packages are installed by uv; list `pip` under `pip:` to have it in the environment",
    "pytorch-mutex": _WHEELS,
}


def canonical(name: str) -> str:
    """Lower case, runs of `-`, `_` and `.` as one `-`: how PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).casefold()


PYPI: Mapping[str, str] = {name: name for name in _SAME.split()} | {
    canonical(name): pypi for name, pypi in _OTHER.items()
}
"""Canonical conda name to PyPI requirement without version."""

IGNORED: Mapping[str, str] = {canonical(name): why for name, why in _IGNORED.items()}
"""Canonical conda names that may stand in a spec and change nothing, and why."""


def page() -> str:
    """The table as a page of documentation."""
    renamed = [f"| `{name}` | `{pypi}` |" for name, pypi in sorted(_OTHER.items())]
    ignored = [f"| `{name}` | {why} |" for name, why in sorted(_IGNORED.items())]
    same = ", ".join(f"`{name}`" for name in sorted(_SAME.split()))
    lines = [
        "# Conda packages",
        "",
        "Written by `python -m domain.assets.conda_packages`; do not edit it by hand.",
        "",
        "Environments are built with uv from PyPI. A `condaFile` is read like this:",
        "",
        "- `python=3.11` picks the Python. Without one, or with a range that holds it, the",
        "  environment has the minor version of the Python that ml-endpoints itself runs on.",
        "  Where models are processes, one that is not on the machine is fetched by uv",
        "  (`ML_ENDPOINTS_PYTHON_DOWNLOADS`); where it is not to be had it is refused, or the",
        "  environment has the nearest one (`ML_ENDPOINTS_PYTHON_PINS=nearest`): the same",
        "  minor version, else the next above, else below. The deployment's `warnings` say so, and",
        "  the log of the build.",
        "- Entries under `pip:` are requirements as PEP 508 has them, markers included.",
        "  `--index-url`, `--extra-index-url` and `--find-links` name",
        "  [other indexes](private-packages.md), and `--uploaded-prior-to 2022-12-01` (or uv's",
        "  `--exclude-newer`) takes packages as they were on a date, as old pins were meant,",
        "  from an index that tells when each came. Other options (`-r`, `-e`), local paths, URLs",
        "  and version control are refused.",
        "- Other entries are conda packages: those below become PyPI ones or change nothing, and",
        "  any other is refused by name. If PyPI has it, list it under `pip:`.",
        "- Versions: `=1.2` and `1.2.*` become `==1.2.*`; `==`, `!=`, `>=`, `<=`, `>`, `<`, `~=`",
        "  stay, joined by commas. `name 1.2` (with a space) is exactly 1.2, as in conda.",
        "  Build strings, alternatives (`|`) and `[...]` are refused.",
        "- Where a package is pinned to a version that was compiled before numpy 2, and nothing is",
        "  said of numpy's version, `numpy<2` is added: it would not load beside a newer one.",
        "- `channels` and `name` are kept and returned; here they change nothing.",
        "- YAML anchors and aliases are refused, and a file is at most 256 KB.",
        "",
        "## Same name on PyPI",
        "",
        same + ".",
        "",
        "## Another name on PyPI",
        "",
        "| conda | PyPI |",
        "|---|---|",
        *renamed,
        "",
        "## Accepted without effect",
        "",
        "| conda | why |",
        "|---|---|",
        *ignored,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
