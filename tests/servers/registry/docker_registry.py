"""Debian's docker-registry on a port of 127.0.0.1, in a folder of its own."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from domain.ports import Credentials
from tests.kit.waiting import until

USER: Final = Credentials("me", "open sesame")
_HASHED: Final = "me:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n"
_LISTENS: Final = re.compile(r"listening on (127\.0\.0\.1:\d+)(?=\D)")
_TAKEN: Final = "address already in use"


class RegistryMissing(Exception):
    """Says what is not there."""


class DockerRegistry:
    """From `start` until `stop`. `auth`: as its configuration has it; none lets everybody in.
    `deletes`: whether anything may be removed."""

    def __init__(
        self, folder: Path, auth: Mapping[str, Any] | None = None, *, deletes: bool = True
    ) -> None:
        self._folder = folder
        self._deletes = deletes
        self._auth = auth
        self._process: subprocess.Popen[bytes] | None = None
        self.host = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def start(self) -> None:
        """Where it was before, if it has been stopped: what it has is there still."""
        program = shutil.which("docker-registry")
        if program is None:
            raise RegistryMissing("there is no docker-registry (apt-get install docker-registry)")
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._folder / "content")},
                "delete": {"enabled": self._deletes},
            },
            "http": {"addr": self.host or "127.0.0.1:0", "secret": "of every process"},
        }
        if self._auth is not None:
            configuration["auth"] = self._auth
        settings, log = self._folder / "config.json", self._folder / "log"
        settings.write_text(json.dumps(configuration))  # JSON is YAML

        command = [program, "serve", str(settings)]
        until(lambda: self._has_begun(command, log), "the registry listens")

    def _has_begun(self, command: list[str], log: Path) -> bool:
        """Not where its port, while it was away, has been lent to a connection of somebody's."""
        with log.open("wb") as file:
            process = self._process = subprocess.Popen(command, stdout=file, stderr=file)

        def told() -> str | None:
            has_ended = process.poll() is not None
            said = log.read_text(errors="replace")
            return said if has_ended or _LISTENS.search(said) else None

        said = until(told, "what the registry says")
        found = _LISTENS.search(said)
        if found is not None:
            self.host = found[1]
        elif _TAKEN not in said:
            raise RegistryMissing(f"docker-registry does not start here: {said[-600:]}")
        return found is not None

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def names(self) -> list[str]:
        """Every tag, and every upload that has neither ended nor been given up: of one that has
        been, the registry leaves empty folders."""
        content = self._folder / "content/docker/registry/v2/repositories"
        tags = [p.relative_to(content) for p in content.glob("**/_manifests/tags/*")]
        uploads = [p.relative_to(content) for p in content.glob("**/_uploads/*/data")]
        return sorted(str(each) for each in [*tags, *uploads])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def with_password(folder: Path) -> Mapping[str, Any]:
    """Of a registry that only USER may enter, by HTTP's Basic authentication."""
    path = folder / "htpasswd"
    path.write_text(_HASHED)
    return {"htpasswd": {"realm": "registry", "path": str(path)}}
