"""What a node is to run: a JSON document (docs/node-agent.md), checked for every fault at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

CONTRACT = 1
_MODES = ("serve", "work")
_PATH = re.compile(r"[!-~]+")
_HEX = re.compile(r"[0-9a-fA-F]{64}")


class File(NamedTuple):
    """To be put at `path`, below its artifact's folder. Empty `sha256`, `etag`: unknown."""

    path: str
    size: int
    sha256: str
    etag: str
    url: str


class Artifact(NamedTuple):
    """A model or code: files to fetch, or the folder `path` where it is. What is to be used of
    it is `root` below that."""

    files: tuple[File, ...] = ()
    path: str = ""
    root: str = ""


class Serve(NamedTuple):
    deployment: str = ""
    workers: int = 1
    max_concurrent: int = 1
    max_queue: int = 1
    queue_wait_ms: int = 500
    timeout_ms: int = 5000
    max_body: int = 1 << 30


class Route(NamedTuple):
    path: str = ""
    port: int = 0


class Server(NamedTuple):
    """A server of the user's own that is there already, beside the agent: it is reached at ports
    of this machine, and requests to score go to `scoring`."""

    scoring: Route
    liveness: Route
    readiness: Route


class Work(NamedTuple):
    """`output`: scripts write to a folder of their own."""

    processes: int = 1
    kept: int = 256
    output: bool = False


class Probe(NamedTuple):
    """Times in seconds."""

    initial_delay: float = 10.0
    period: float = 10.0
    timeout: float = 2.0
    success_threshold: int = 1
    failure_threshold: int = 30


class Identity(NamedTuple):
    """Its processes may ask for tokens, trust `authorities` (PEM) beside the usual ones, and have
    `variables`, over which the deployment's go. `port` and `secret` of the door for tokens are
    given where somebody else tells them to processes; 0 and '' for ones of its own."""

    authorities: str
    variables: Mapping[str, str]
    port: int
    secret: str


class Spec(NamedTuple):
    """`script` is empty for an MLflow model. `cpu` 0: not known. With a `server` the agent runs
    nothing itself; `code` may be empty then."""

    mode: str
    revision: str
    python: str
    script: str
    environment_variables: Mapping[str, str]
    cpu: float
    model: Artifact | None
    code: Artifact
    serve: Serve
    server: Server | None
    work: Work
    liveness: Probe
    readiness: Probe
    drain_seconds: float
    fetch_seconds: float
    identity: Identity | None

    @classmethod
    def nothing(cls) -> Spec:
        return parse({})[0]


def parse(value: Any) -> tuple[Spec, list[str]]:
    """The spec, and all that is wrong with it; only one without faults is of use."""
    faults: list[str] = []
    if not isinstance(value, dict):
        faults.append("The spec is not a JSON object.")
        value = {}
    whole = _Part(value, "", faults)
    if value.get("contract") != CONTRACT:
        faults.append(f"contract is {value.get('contract')!r}; this agent knows {CONTRACT}.")
    mode = whole.text("mode", "")
    if mode not in _MODES:
        faults.append(f"mode is {mode!r}, not serve or work.")
    script = "" if value.get("script") is None else whole.text("script", "")
    server = _server(whole.part("server"))
    if server is None and whole.part("code") is None:
        faults.append("code is missing.")
    if server is not None and mode == "work":
        faults.append("A server of your own takes no units: server is for serve.")
    spec = Spec(
        mode=mode,
        revision=whole.text("revision", ""),
        python=whole.text("python", ""),
        script=script,
        environment_variables=whole.texts("environment_variables"),
        cpu=whole.number("cpu", 0.0, least=0.0),
        model=_artifact(whole.part("model")),
        code=_artifact(whole.part("code")) or Artifact(),
        serve=_serve(whole.part("serve"), needed=mode == "serve", faults=faults),
        server=server,
        work=_work(whole.part("work")),
        liveness=_probe(whole.part("liveness")),
        readiness=_probe(whole.part("readiness")),
        drain_seconds=whole.number("drain_seconds", 30.0, least=0.0),
        fetch_seconds=whole.number("fetch_seconds", 900.0, least=0.0),
        identity=_identity(whole.part("identity")),
    )
    return spec, faults


class _Part:
    """An object of the document; `at` says where it stands."""

    def __init__(self, value: Mapping[str, Any], at: str, faults: list[str]) -> None:
        self._value = value
        self.at = at
        self.faults = faults

    def _fault(self, name: str, why: str) -> None:
        self.faults.append(f"{self.at}{name} {why}.")

    def part(self, name: str) -> _Part | None:
        value = self._value.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._fault(name, "is not an object")
            return None
        return _Part(value, f"{self.at}{name}.", self.faults)

    def parts(self, name: str) -> list[_Part]:
        value = self._value.get(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._fault(name, "is not a list of objects")
            return []
        place = f"{self.at}{name}"
        return [_Part(each, f"{place}[{n}].", self.faults) for n, each in enumerate(value)]

    def text(self, name: str, default: str) -> str:
        value = self._value.get(name, default)
        if isinstance(value, str) and "\0" not in value:
            return value
        self._fault(name, "is not text")
        return default

    def flag(self, name: str) -> bool:
        value = self._value.get(name, False)
        if not isinstance(value, bool):
            self._fault(name, "is not true or false")
        return value is True

    def texts(self, name: str) -> Mapping[str, str]:
        value = self._value.get(name) or {}
        if isinstance(value, dict) and all(
            isinstance(each, str) and "\0" not in f"{key}{each}" and key and "=" not in key
            for key, each in value.items()
        ):
            return value
        self._fault(name, "are not names with text")
        return {}

    def whole(self, name: str, default: int, *, least: int) -> int:
        value = self._value.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        self._fault(name, f"is not a whole number of at least {least}")
        return default

    def number(self, name: str, default: float, *, least: float) -> float:
        value = self._value.get(name, default)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= least:
            return float(value)
        self._fault(name, f"is not a number of at least {least:g}")
        return default


def _serve(part: _Part | None, *, needed: bool, faults: list[str]) -> Serve:
    if part is None:
        if needed:
            faults.append("serve is missing.")
        return Serve()
    most = part.whole("max_concurrent", 1, least=1)
    serve = Serve(
        deployment=part.text("deployment", ""),
        workers=part.whole("workers", 1, least=1),
        max_concurrent=most,
        max_queue=part.whole("max_queue", most, least=0),
        queue_wait_ms=part.whole("queue_wait_ms", 500, least=0),
        timeout_ms=part.whole("timeout_ms", 5000, least=1),
        max_body=part.whole("max_body", 1 << 30, least=1),
    )
    if not serve.deployment:
        faults.append("serve.deployment is missing.")
    if serve.workers > most:
        faults.append("serve.workers is more than serve.max_concurrent.")
    return serve


def _server(part: _Part | None) -> Server | None:
    if part is None:
        return None
    return Server(*(_route(part, name) for name in Server._fields))


def _route(server: _Part, name: str) -> Route:
    part = server.part(name)
    if part is None:
        server.faults.append(f"{server.at}{name} is missing.")
        return Route()
    route = Route(part.text("path", ""), part.whole("port", 0, least=1))
    if not route.path.startswith("/") or not _PATH.fullmatch(route.path):
        part.faults.append(f"{part.at}path is {route.path!r}, which is no path of a URL.")
    if route.port > 65535:
        part.faults.append(f"{part.at}port is more than 65535.")
    return route


def _identity(part: _Part | None) -> Identity | None:
    if part is None:
        return None
    return Identity(
        part.text("authorities", ""),
        part.texts("variables"),
        part.whole("port", 0, least=0),
        part.text("secret", ""),
    )


def _work(part: _Part | None) -> Work:
    if part is None:
        return Work()
    return Work(
        part.whole("processes", 1, least=1),
        part.whole("kept", 256, least=1),
        part.flag("output"),
    )


def _probe(part: _Part | None) -> Probe:
    usual = Probe()
    if part is None:
        return usual
    return Probe(
        initial_delay=part.number("initial_delay", usual.initial_delay, least=0.0),
        period=part.number("period", usual.period, least=0.01),
        timeout=part.number("timeout", usual.timeout, least=0.01),
        success_threshold=part.whole("success_threshold", 1, least=1),
        failure_threshold=part.whole("failure_threshold", usual.failure_threshold, least=1),
    )


def _artifact(part: _Part | None) -> Artifact | None:
    if part is None:
        return None
    files = tuple(_file(each) for each in part.parts("files"))
    path, root = part.text("path", ""), part.text("root", "")
    if bool(files) == bool(path):
        part.faults.append(f"{part.at}files or {part.at}path is to be given, and not both.")
    if path and not path.startswith("/"):
        part.faults.append(f"{part.at}path is {path!r}, which is not absolute.")
    if root and not is_within(root):
        part.faults.append(f"{part.at}root is {root!r}, which leaves its folder.")
    counts = Counter(each.path for each in files)
    twice = [name for name, count in counts.items() if count > 1]
    part.faults.extend(f"{part.at}files has {name!r} twice." for name in twice)
    return Artifact(files, path, root)


def _file(part: _Part) -> File:
    file = File(
        path=part.text("path", ""),
        size=part.whole("size", -1, least=0),
        sha256=part.text("sha256", "").lower(),
        etag=part.text("etag", ""),
        url=part.text("url", ""),
    )
    if not is_within(file.path):
        part.faults.append(f"{part.at}path is {file.path!r}, which leaves its folder.")
    if file.sha256 and not _HEX.fullmatch(file.sha256):
        part.faults.append(f"{part.at}sha256 is not a SHA-256 in hex.")
    if "\r" in file.etag or "\n" in file.etag:
        part.faults.append(f"{part.at}etag has a line break.")
    if not file.url.startswith(("https://", "http://", "file:///")):
        part.faults.append(f"{part.at}url is not one of https, http or file.")
    return file


def is_within(path: str) -> bool:
    """Whether it names something below the folder that it is relative to."""
    parts = path.split("/")
    return bool(path) and not any(part in ("", ".", "..") for part in parts)
