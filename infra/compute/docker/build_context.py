"""What the engine builds from: a Dockerfile, and what it copies, as a tar."""

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from infra.compute.ground.image_layout import CODE, HOME, MODEL, PYTHON, RUNTIME

_BUILDER: Final = ("__init__.py", "__main__.py", "environment.py", "package_indexes.py")
"""Of the runtime, what builds: a change of anything else builds no environment anew."""

_COMPILE: Final = "import compileall, sysconfig; compileall.compile_dir"

_ADOPT: Final = f"""\
import os, shutil, sys
if sys.version_info < (3, 9):
    sys.exit("Models run on Python 3.9 or later, and this image has " + sys.version)
os.makedirs({os.path.dirname(PYTHON)!r}, exist_ok=True)
with open({PYTHON!r}, "w") as file:
    file.write('#!/bin/sh\\nexec ' + shutil.which("python3") + ' "$@"\\n')
os.chmod({PYTHON!r}, 0o755)
"""

_ENVIRONMENT: Final = f"""\
FROM {{base}} AS compiled
RUN python3 -c "{_COMPILE}(sysconfig.get_path('stdlib'), quiet=2, workers=0)"
FROM compiled AS build
{{arguments}}COPY build /build
RUN {{certificates}}UV_COMPILE_BYTECODE=1 python3 -I /build/runtime build \\
    --spec /build/spec.json --target {HOME}/environment --uv /build/uv
FROM compiled
COPY --from=build {HOME}/environment {HOME}/environment
COPY runtime {RUNTIME}
RUN python3 -c "{_COMPILE}('{RUNTIME}', quiet=2)"
ENV PATH={HOME}/environment/bin:/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin \\
    VIRTUAL_ENV={HOME}/environment PYTHONUNBUFFERED=1 LANG=C.UTF-8 HOME=/tmp
"""
"""Nothing can be written where a model runs, so what is imported there is compiled here."""

_PREBUILT: Final = f"""\
FROM {{image}}
USER root
RUN command -v python3 || {{{{ echo 'The image has no python3, which runs a model.'; exit 1; }}}}
COPY runtime {RUNTIME}
COPY adopt.py {HOME}/adopt.py
RUN python3 -I {HOME}/adopt.py && python3 -c "{_COMPILE}('{RUNTIME}', quiet=2)"
ENV PYTHONUNBUFFERED=1 LANG=C.UTF-8 HOME=/tmp
"""
"""An image that has its Python: a link to that would hide from it which environment it is of."""

_PROGRAM: Final = """\
FROM {environment}
{copied}"""


@contextmanager
def environment_context(
    spec: str, base: str, *, runtime: Path, uv: Path, arguments: list[str]
) -> Iterator[Path]:
    """An image that holds an environment, as `spec` says it in JSON, and the runtime. `arguments`
    are the names of variables that the engine is told of beside, which stay out of the image."""
    authorities = _authorities()
    with _tar() as (path, tar):
        dockerfile = _ENVIRONMENT.format(
            base=base,
            arguments="".join(f"ARG {name}\n" for name in arguments),
            certificates="SSL_CERT_FILE=/build/ca.pem " if authorities else "",
        )
        _put(tar, "Dockerfile", dockerfile.encode())
        _put(tar, "build/spec.json", spec.encode())
        _add(tar, uv, "build/uv", 0o755)
        if authorities is not None:
            _add(tar, authorities, "build/ca.pem")
        for name in _BUILDER:
            _add(tar, runtime / name, f"build/runtime/{name}")
        _add_tree(tar, runtime, "runtime")
        tar.close()
        yield path


@contextmanager
def prebuilt_context(image: str, *, runtime: Path) -> Iterator[Path]:
    """An image that has all a model needs, and the runtime."""
    with _tar() as (path, tar):
        _put(tar, "Dockerfile", _PREBUILT.format(image=image).encode())
        _put(tar, "adopt.py", _ADOPT.encode())
        _add_tree(tar, runtime, "runtime")
        tar.close()
        yield path


@contextmanager
def folder_context(folder: Path) -> Iterator[Path]:
    """A folder with a Dockerfile in it, all of it."""
    with _tar() as (path, tar):
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            _add(tar, file, file.relative_to(folder).as_posix(), 0o755)
        tar.close()
        yield path


@contextmanager
def program_context(environment: str, *, model: Path | None, code: Path | None) -> Iterator[Path]:
    """An environment's image with a model and code, each the content of a folder."""
    with _tar() as (path, tar):
        copied = f"COPY model {MODEL}\n" if model is not None else ""
        copied += f"COPY code {CODE}\n" if code is not None else ""
        _put(tar, "Dockerfile", _PROGRAM.format(environment=environment, copied=copied).encode())
        if model is not None:
            _add_tree(tar, model, "model")
        if code is not None:
            _add_tree(tar, code, "code")
        tar.close()
        yield path


def files_of(folder: Path) -> Iterator[Path]:
    """In order, so that the same content is the same tar."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for name in sorted(names):
            if not name.endswith(".pyc"):
                yield Path(root) / name


def _authorities() -> Path | None:
    """Where this host was told of certificates that builds have to trust."""
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        path = os.environ.get(name)
        if path and Path(path).is_file():
            return Path(path)
    return None


@contextmanager
def _tar() -> Iterator[tuple[Path, tarfile.TarFile]]:
    with (
        NamedTemporaryFile(prefix="ml-endpoints-", suffix=".tar") as file,
        tarfile.open(file.name, "w") as tar,
    ):
        yield Path(file.name), tar


def _put(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _add(tar: tarfile.TarFile, path: Path, name: str, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, mode
    with path.open("rb") as file:
        tar.addfile(entry, file)


def _add_tree(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(entry)
    for path in files_of(folder):
        _add(tar, path, f"{name}/{path.relative_to(folder).as_posix()}")
