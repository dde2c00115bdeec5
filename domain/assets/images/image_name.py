"""Names of images, as container engines read them."""

import re
from dataclasses import dataclass
from typing import Final, Self

from domain.errors import Invalid

HUB: Final = "docker.io"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME: Final = re.compile(
    r"(?:(?P<registry>(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::\d{1,5})?)/)?"
    rf"(?P<repository>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST: Final = 512


@dataclass(frozen=True)
class ImageName:
    """`registry` is `host` or `host:port`; '' for an image that only an engine has, by its id,
    which is the digest."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Invalid."""
        if _ID.fullmatch(text):
            return cls("", "", None, text)
        match = _NAME.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise Invalid(
                f"{text[:120]!r} is not the name of an image: use registry/repository:tag or "
                "registry/repository@sha256:digest, in lower case."
            )
        registry, repository = match["registry"], match["repository"]
        if registry and not _is_host(registry):
            registry, repository = None, f"{registry}/{repository}"
        if registry in (None, HUB, f"index.{HUB}"):
            registry = HUB
            repository = repository if "/" in repository else f"library/{repository}"
        return cls(registry, repository, match["tag"], match["digest"])

    @property
    def reference(self) -> str:
        """What a registry is asked for."""
        return self.digest or self.tag or "latest"

    def at(self, digest: str) -> str:
        """The name that never means anything else. Engines take no tag beside it for true."""
        return f"{self.registry}/{self.repository}@{digest}" if self.registry else digest


def _is_host(text: str) -> bool:
    """What distinguishes `localhost/image` and `example.com/image` from `user/image`."""
    return "." in text or ":" in text or text == "localhost" or text != text.lower()
