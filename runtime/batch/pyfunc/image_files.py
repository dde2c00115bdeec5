"""Pictures in files, as arrays that hold one each. numpy and Pillow are the model's own."""

from __future__ import annotations

import os
from typing import Any

from ...online.signature import Field, Signature
from .unscorable import Unscorable

SUFFIXES = (".png", ".jpg", ".jpeg", ".tiff", ".tif", ".bmp", ".gif")

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_AS_THEY_ARE = ("L", "RGB", "RGBA")


def read(path: str, signature: Signature | None) -> Any:
    """One picture: height, width and channels below a first dimension of 1; bytes, unless the
    signature says otherwise. Raises Unscorable."""
    name = os.path.basename(path)
    field = signature.inputs[0] if signature is not None and signature.is_tensor else None
    try:
        import numpy
        from PIL import (  # type: ignore[import-not-found, unused-ignore]
            Image,
            UnidentifiedImageError,
        )
    except ImportError:
        raise Unscorable(
            f"{name}: Pillow, which reads images, is not among the model's packages: add 'pillow' "
            "to its conda.yaml or requirements.txt, and register it again."
        ) from None
    try:
        with Image.open(path) as image:
            mode = _mode(image.mode, field)
            array = numpy.asarray(image if image.mode == mode else image.convert(mode))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Unscorable(f"{name} cannot be read as an image: {error}") from None
    array = _shaped(array, field, name)
    if field is None:
        return array
    return {field.name: array} if field.name else array


def _mode(mode: str, field: Field | None) -> str:
    """What the picture is read as: with as many channels as the signature has."""
    wanted = _MODES.get(field.shape[-1]) if field is not None and len(field.shape) == 4 else None
    if wanted is not None:
        return wanted
    return mode if mode in _AS_THEY_ARE else "RGB"


def _shaped(array: Any, field: Field | None, name: str) -> Any:
    if field is None:
        return array[None]
    shape = [1, *field.shape[1:]]
    if field.dtype:
        array = array.astype(field.dtype)
    whole = array[None]
    sizes = zip(shape, whole.shape)  # noqa: B905 - `strict` needs Python 3.10
    if len(shape) == whole.ndim and all(size in (-1, got) for size, got in sizes):
        return whole
    try:
        if shape.count(-1) > 1:
            raise ValueError(f"{list(array.shape)} is not {shape[1:]}")
        return whole.reshape(shape)
    except ValueError:
        raise Unscorable(
            f"{name} has the shape {list(array.shape)}; the model takes {list(field.shape)}"
        ) from None
