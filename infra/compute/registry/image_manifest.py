"""What a registry says an image consists of (OCI image specification, and Docker's schema 2, which
differs in names)."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

_OCI: Final = "application/vnd.oci.image."
_DOCKER: Final = "application/vnd.docker."
OCI_MANIFEST: Final = f"{_OCI}manifest.v1+json"
DOCKER_MANIFEST: Final = f"{_DOCKER}distribution.manifest.v2+json"
INDEXES: Final = (f"{_OCI}index.v1+json", f"{_DOCKER}distribution.manifest.list.v2+json")
ACCEPTED: Final = (OCI_MANIFEST, DOCKER_MANIFEST, *INDEXES)
_LAYERS: Final = {
    OCI_MANIFEST: f"{_OCI}layer.v1.tar+gzip",
    DOCKER_MANIFEST: f"{_DOCKER}image.rootfs.diff.tar.gzip",
}
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
_USUAL_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOREIGN: Final = ("nondistributable", "foreign")


class NotAnImage(Exception):
    """What a registry answered cannot be read; the text says why."""


@dataclass(frozen=True)
class Descriptor:
    """Content by its digest (`sha256:…`) and size in bytes."""

    media_type: str
    digest: str
    size: int

    @classmethod
    def of(cls, body: Any) -> Self:
        """Raises NotAnImage."""
        try:
            found = cls(str(body["mediaType"]), str(body["digest"]), int(body["size"]))
        except (KeyError, TypeError, ValueError) as error:
            raise NotAnImage(f"a descriptor cannot be read: {error!r}") from None
        if not is_digest(found.digest) or found.size < 0:
            raise NotAnImage(f"{found.digest[:100]!r} is no digest that is known here")
        return found

    @property
    def body(self) -> Mapping[str, Any]:
        return {"mediaType": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True)
class Platform:
    """For whom an image is, by the names of the specification: `linux`, `amd64` or `arm64`."""

    os: str
    architecture: str

    @classmethod
    def here(cls) -> Self:
        """This machine's, as a container on it has it."""
        machine = platform.machine()
        return cls("linux", _ARCHITECTURES.get(machine, machine))


@dataclass(frozen=True)
class Manifest:
    """Of one image for one platform; `text` is what its digest is of."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises NotAnImage."""
        body = _object(text)
        media_type = body.get("mediaType", OCI_MANIFEST)
        if media_type not in _LAYERS:
            raise NotAnImage(f"{str(media_type)[:100]!r} is no manifest of an image")
        layers = body.get("layers")
        if not isinstance(layers, list):
            raise NotAnImage("it has no layers")
        found = tuple(Descriptor.of(each) for each in layers)
        for layer in found:
            if any(word in layer.media_type for word in _FOREIGN):
                raise NotAnImage("it has a layer that may not be copied (Windows' own)")
        annotations = body.get("annotations") or {}
        return cls(media_type, Descriptor.of(body.get("config")), found, annotations)

    @property
    def text(self) -> bytes:
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.body,
            "layers": [layer.body for layer in self.layers],
        }
        if self.annotations:
            body["annotations"] = dict(self.annotations)
        return json.dumps(body, indent=2, sort_keys=True).encode()

    @property
    def layer_type(self) -> str:
        """Of a layer, a gzipped tar, beside those that it has."""
        return _LAYERS[self.media_type]

    def but(
        self,
        config: Descriptor,
        layers: Sequence[Descriptor],
        annotations: Mapping[str, str],
    ) -> "Manifest":
        """Docker's manifests have no annotations."""
        said = annotations if self.media_type == OCI_MANIFEST else {}
        return replace(self, config=config, layers=tuple(layers), annotations=said)


def of_platform(text: bytes, platform: Platform) -> Descriptor:
    """The manifest of an index that is for `platform`. Raises NotAnImage."""
    there = []
    for each in _object(text).get("manifests", []):
        meant = each.get("platform", {}) if isinstance(each, dict) else {}
        found = Platform(str(meant.get("os")), str(meant.get("architecture")))
        if found == platform and meant.get("variant") in (None, "v8"):  # every arm64 is v8
            return Descriptor.of(each)
        there.append(f"{found.os}/{found.architecture}")
    raise NotAnImage(
        f"it is not there for {platform.os}/{platform.architecture}, only for {', '.join(there)}"
    )


@dataclass(frozen=True)
class ImageConfig:
    """How an image is run, and on what: `body` is the whole."""

    body: Mapping[str, Any]

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises NotAnImage."""
        body = _object(text)
        layers, run = body.get("rootfs"), body.get("config") or {}
        if not isinstance(layers, dict) or not isinstance(layers.get("diff_ids"), list):
            raise NotAnImage("its configuration has no diff_ids")
        if not isinstance(run, dict) or not isinstance(run.get("Labels") or {}, dict):
            raise NotAnImage("its configuration says nothing of how it is run")
        variables = run.get("Env") or []
        if not isinstance(variables, list) or not all(isinstance(v, str) for v in variables):
            raise NotAnImage("its configuration has variables that are no texts")
        return cls(body)

    @property
    def text(self) -> bytes:
        return json.dumps(self.body, sort_keys=True).encode()

    @property
    def platform(self) -> Platform:
        return Platform(str(self.body.get("os")), str(self.body.get("architecture")))

    @property
    def diff_ids(self) -> list[str]:
        return list(self.body["rootfs"]["diff_ids"])

    @property
    def variables(self) -> dict[str, str]:
        """The environment's."""
        given = (self.body.get("config") or {}).get("Env") or []
        return dict(each.partition("=")[::2] for each in given)

    @property
    def path(self) -> str:
        """Where its programs are looked for."""
        return self.variables.get("PATH", _USUAL_PATH)

    @property
    def labels(self) -> dict[str, str]:
        return dict((self.body.get("config") or {}).get("Labels") or {})


def is_digest(text: str) -> bool:
    algorithm, _, value = text.partition(":")
    return algorithm == "sha256" and len(value) == 64 and set(value) <= set("0123456789abcdef")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        raise NotAnImage("it is no JSON") from None
    if not isinstance(body, dict):
        raise NotAnImage("it is no JSON object")
    return body
