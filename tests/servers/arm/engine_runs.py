"""Apps as containers of a real Docker Engine."""

import contextlib
import http.client
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.compute.docker.engine import printed
from tests.servers.arm.identity_door import IdentityDoor, header_of, usable
from tests.servers.arm.records import AppRecord
from tests.servers.arm.runs import PartState, Runs
from tests.servers.engine.dockerd import EngineApi

APP: Final = "tests.arm.app"
PART: Final = "tests.arm.part"
_FILES: Final = "EmptyDir"


class EngineRuns(Runs):
    """`name` tells the containers of this from others'. What apps write to volumes of their own is
    below `folder`."""

    def __init__(self, engine: EngineApi, name: str, folder: Path, pullers: set[str]) -> None:
        self.engine = engine
        self.name = name
        self._folder = folder
        self._pullers = pullers
        self._pulls: dict[str, str] = {}
        """Of apps whose image cannot be pulled: why."""
        self._addresses: dict[str, tuple[str, int]] = {}
        self._doors: dict[str, IdentityDoor] = {}
        """By network."""
        self._there: dict[str, AppRecord] = {}

    def begin(self, app: AppRecord) -> None:
        self._there[app.name] = app
        for container in self._all(app):
            why = self._pulled(app, container["image"])
            if why:
                self._pulls[app.name] = why
                return
        template = app.properties["template"]
        for container in template.get("initContainers") or []:
            self._run(app, container, f"{container['name']}", network=None)
            self.engine.ask("POST", f"containers/{self._id(app, container['name'])}/wait")
        first = template["containers"][0]["name"]
        for container in template["containers"]:
            shared = None if container["name"] == first else f"container:{self._id(app, first)}"
            self._run(app, container, container["name"], network=shared)

    def end(self, app: AppRecord) -> None:
        self._pulls.pop(app.name, None)
        self._there.pop(app.name, None)
        self.moved(app)
        for listed in self._listed(app):
            grace = app.properties["template"].get("terminationGracePeriodSeconds", 30)
            self.engine.ask("POST", f"containers/{listed['Id']}/stop", t=min(grace, 10))
            self.engine.ask("DELETE", f"containers/{listed['Id']}", force=True)
        shutil.rmtree(self._folder / app.name, ignore_errors=True)

    def parts(self, app: AppRecord) -> list[PartState] | None:
        containers = app.properties["template"]["containers"]
        if app.name in self._pulls:
            told = f"ImagePullBackOff: {self._pulls[app.name]}"
            return [PartState(each["name"], "Waiting", False, told) for each in containers]
        if not self._listed(app):
            return None
        self.moved(app)  # one that was started again may be elsewhere
        return [self._part(app, each) for each in containers]

    def log(self, app: AppRecord, part: str, tail: int) -> str:
        status, content = self.engine.ask(
            "GET",
            f"containers/{self._id(app, part)}/logs",
            stdout=True,
            stderr=True,
            tail=str(tail),
        )
        return printed(content) if status == 200 else ""

    def address(self, app: AppRecord) -> tuple[str, int] | None:
        known = self._addresses.get(app.name)
        if known is None:
            known = self._looked_up(app)
            if known is not None:
                self._addresses[app.name] = known
        return known

    def moved(self, app: AppRecord) -> None:
        self._addresses.pop(app.name, None)

    def _looked_up(self, app: AppRecord) -> tuple[str, int] | None:
        first = app.properties["template"]["containers"][0]["name"]
        inspected = self._inspected(app, first)
        if inspected is None:
            return None
        networks = inspected["NetworkSettings"]["Networks"]
        ips = [each["IPAddress"] for each in networks.values() if each.get("IPAddress")]
        port = app.properties["configuration"]["ingress"]["targetPort"]
        return (ips[0], port) if ips else None

    # -- inside

    def _all(self, app: AppRecord) -> list[Mapping[str, Any]]:
        template = app.properties["template"]
        return [*(template.get("initContainers") or []), *template["containers"]]

    def _pulled(self, app: AppRecord, image: str) -> str:
        """Why it cannot be."""
        for registry in app.properties["configuration"].get("registries") or []:
            identity = registry.get("identity", "")
            if identity and identity.casefold() not in self._pullers:
                return f"failed to authorize: {registry['server']} answers 401 unauthorized"
        name, _, digest = image.partition("@")
        status, content = self.engine.ask("POST", "images/create", fromImage=name, tag=digest)
        lines = content.decode(errors="replace").splitlines()
        errors = [json.loads(line).get("error") for line in lines if line.strip()]
        told = next((each for each in errors if each), "")
        return told or ("" if status == 200 else content.decode(errors="replace"))

    def _run(
        self, app: AppRecord, container: Mapping[str, Any], part: str, *, network: str | None
    ) -> None:
        configuration = app.properties["configuration"]
        secrets = {each["name"]: each["value"] for each in configuration.get("secrets") or []}
        variables = [
            f"{each['name']}={secrets[each['secretRef']] if 'secretRef' in each else each['value']}"
            for each in container.get("env") or []
        ]
        is_initial = container in (app.properties["template"].get("initContainers") or [])
        if usable(app) and not is_initial:
            variables += [f"IDENTITY_ENDPOINT={self._door(app).url}"]
            variables += [f"IDENTITY_HEADER={header_of(app)}"]
        resources = container["resources"]
        memory = int(float(resources["memory"].removesuffix("Gi")) * 2**30)
        body: dict[str, Any] = {
            "Image": container["image"],
            "Env": variables,
            "Labels": {**app.body["tags"], APP: f"{self.name}/{app.name}", PART: part},
            "HostConfig": {
                "NetworkMode": network or app.environment.network,
                "Memory": memory,
                "MemorySwap": memory,
                "NanoCpus": int(min(float(resources["cpu"]), 2) * 1e9),
                "Binds": self._binds(app, container),
                "RestartPolicy": {"Name": "no" if is_initial else "always"},
            },
        }
        if "command" in container:
            body["Entrypoint"] = container["command"]
            body["Cmd"] = container.get("args") or []
        name = f"{self.name}-{app.name}-{part}"
        self.engine.ask("POST", "containers/create", body, name=name)
        self.engine.ask("POST", f"containers/{self._id(app, part)}/start")

    def _door(self, app: AppRecord) -> IdentityDoor:
        network = app.environment.network
        if network not in self._doors:
            told = self.engine.get(f"networks/{network}")
            gateway = told["IPAM"]["Config"][0]["Gateway"]
            self._doors[network] = IdentityDoor(gateway, lambda: list(self._there.values()))
        return self._doors[network]

    def close(self) -> None:
        for door in self._doors.values():
            door.close()

    def _binds(self, app: AppRecord, container: Mapping[str, Any]) -> list[str]:
        volumes = {each["name"]: each for each in app.properties["template"].get("volumes") or []}
        binds = []
        for mount in container.get("volumeMounts") or []:
            volume = volumes[mount["volumeName"]]
            if volume["storageType"] == _FILES:
                folder = self._folder / app.name / volume["name"]
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o777)
                for above in (self._folder, self._folder / app.name):
                    above.chmod(0o755)
                source = str(folder / mount["subPath"]) if mount.get("subPath") else str(folder)
            else:
                source = app.environment.storages[volume["storageName"]]
            binds.append(f"{source}:{mount['mountPath']}")
        return binds

    def _part(self, app: AppRecord, container: Mapping[str, Any]) -> PartState:
        name = container["name"]
        inspected = self._inspected(app, name)
        if inspected is None:
            return PartState(name, "Waiting", False, "ContainerCreating")
        state, restarts = inspected["State"], int(inspected["RestartCount"])
        if state["Status"] == "running":
            ready = all(self._answers(app, probe) for probe in container.get("probes") or [])
            return PartState(name, "Running", ready, "", restarts)
        reason = "OOMKilled" if state.get("OOMKilled") else f"exit code {state['ExitCode']}"
        reason += f": {state['Error']}" if state.get("Error") else ""
        if state["Status"] in ("restarting", "exited"):
            return PartState(name, "Waiting", False, f"CrashLoopBackOff: {reason}", restarts + 1)
        return PartState(name, "Waiting", False, f"ContainerCreating: {reason}", restarts)

    def _answers(self, app: AppRecord, probe: Mapping[str, Any]) -> bool:
        place = self.address(app)
        if place is None:
            return False
        asked = probe["httpGet"]
        connection = http.client.HTTPConnection(place[0], asked["port"], timeout=5)
        try:
            connection.request("GET", asked["path"])
            return 200 <= connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            self.moved(app)
            return False
        finally:
            connection.close()

    def _listed(self, app: AppRecord) -> list[Any]:
        return self.engine.containers(f"{APP}={self.name}/{app.name}")

    def _id(self, app: AppRecord, part: str) -> str:
        for each in self._listed(app):
            if each["Labels"][PART] == part:
                return str(each["Id"])
        return "none"

    def _inspected(self, app: AppRecord, part: str) -> Any:
        with contextlib.suppress(ValueError):
            status, content = self.engine.ask("GET", f"containers/{self._id(app, part)}/json")
            if status == 200:
                return json.loads(content)
        return None
