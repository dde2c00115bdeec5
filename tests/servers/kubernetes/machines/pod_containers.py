"""What a kubelet has an engine do."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.compute.docker.engine import printed
from tests.servers.engine.dockerd import BASE, VERSION, EngineApi
from tests.servers.kubernetes.admission import amount_of
from tests.servers.kubernetes.store import Object, Store

CLUSTER: Final = "ml-endpoints-test.cluster"
FOLDER: Final = "ml-endpoints-test.folder"
"""Of a claim: what it is bound to on this machine."""
POD: Final = "ml-endpoints-test.pod"
_NAME: Final = "ml-endpoints-test.container"
_LIFE: Final = "ml-endpoints-test.life"
_PAUSE: Final = "import signal; signal.signal(signal.SIGTERM, lambda *_: exit()); signal.pause()"
_MESSAGE: Final = 2048
_LOOK: Final = 0.25


class PodContainers:
    def __init__(self, engine: EngineApi, cluster: str) -> None:
        self._engine = engine
        self._cluster = cluster
        self._network = ""
        self.gateway = ""

    async def ask(
        self, method: str, path: str, body: Any = None, **query: Any
    ) -> tuple[int, bytes]:
        return await asyncio.to_thread(self._engine.ask, method, path, body, **query)

    async def open(self) -> None:
        name = f"ml-endpoints-cluster-{self._cluster}"
        wish = {"Name": name, "Driver": "bridge", "Labels": {CLUSTER: self._cluster}}
        status, told = await self.ask("POST", "networks/create", wish)
        assert status == 201, told
        self._network = json.loads(told)["Id"]
        _, told = await self.ask("GET", f"networks/{self._network}")
        self.gateway = json.loads(told)["IPAM"]["Config"][0]["Gateway"]

    def close(self) -> None:
        """Without threads, which there are none of where an interpreter ends."""
        label = {"label": [self._label]}
        for each in self._engine.containers(self._label):
            self._engine.ask("DELETE", f"containers/{each['Id']}", force=True, v=True)
        for each in self._engine.get("volumes", filters=label)["Volumes"] or []:
            self._engine.ask("DELETE", f"volumes/{each['Name']}", force=True)
        self._engine.ask("DELETE", f"networks/{self._network}")

    @property
    def _label(self) -> str:
        return f"{CLUSTER}={self._cluster}"

    async def _listed(self, *labels: str) -> list[Any]:
        filters = {"label": [self._label, *labels]}
        _, told = await self.ask("GET", "containers/json", all=True, filters=filters)
        found: list[Any] = json.loads(told)
        return found

    async def make_sandbox(self, pod: Object) -> str:
        """The pod's address."""
        meta = pod["metadata"]
        mounts = []
        for each in pod["spec"].get("volumes") or []:
            if "emptyDir" not in each:
                continue
            size = int(amount_of(each["emptyDir"].get("sizeLimit", 2**30)))
            options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size},mode=1777"}
            name = f"{meta['uid']}-{each['name']}"
            wish = {"Name": name, "Driver": "local", "DriverOpts": options}
            wish["Labels"] = {CLUSTER: self._cluster, POD: meta["uid"]}
            await self.ask("POST", "volumes/create", wish)
            mounts.append(f"{name}:/volumes/{each['name']}")
        body = {
            "Image": BASE.format(python=VERSION),
            "Entrypoint": ["/usr/local/bin/python3", "-c", _PAUSE],
            "Hostname": meta["name"][:63],
            "Labels": {CLUSTER: self._cluster, POD: meta["uid"]},
            "HostConfig": {"NetworkMode": self._network, "Binds": mounts},
        }
        status, told = await self.ask(
            "POST", "containers/create", body, name=f"sandbox-{meta['uid']}"
        )
        assert status == 201, told
        id = json.loads(told)["Id"]
        status, told = await self.ask("POST", f"containers/{id}/start")
        assert status < 400, told
        _, told = await self.ask("GET", f"containers/{id}/json")
        [network] = json.loads(told)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    async def pull(self, pod: Object, spec: Object, store: Store) -> str | None:
        """What is wrong, or None."""
        image = spec["image"]
        if (await self.ask("GET", f"images/{image}/json"))[0] == 200:
            return None
        name, _, digest = image.partition("@")
        tag = digest or ("latest" if ":" not in name.rpartition("/")[2] else "")
        status, told = await self.ask("POST", "images/create", fromImage=name, tag=tag)
        lines = [json.loads(line) for line in told.splitlines() if line.strip()]
        wrong = [
            str(each.get("error") or each.get("message"))
            for each in lines
            if each.get("error") or status >= 400
        ]
        return wrong[0] if wrong else None

    def lacking(self, pod: Object, spec: Object, store: Store) -> str | None:
        try:
            body_of(pod, spec, _variables(pod, spec, store), store)
        except KeyError as error:
            return str(error.args[0])
        return None

    async def begin(
        self, pod: Object, spec: Object, life: int, store: Store
    ) -> tuple[str, str | None]:
        """Its id, and why it cannot be started, if it cannot."""
        body = body_of(pod, spec, _variables(pod, spec, store), store)
        about = {POD: pod["metadata"]["uid"], _NAME: spec["name"], _LIFE: str(life)}
        body["Labels"] = {CLUSTER: self._cluster, **about}
        name = f"{pod['metadata']['uid']}-{spec['name']}-{life}"
        status, told = await self.ask("POST", "containers/create", body, name=name)
        if status >= 400:
            return "", json.loads(told)["message"]
        id = json.loads(told)["Id"]
        status, told = await self.ask("POST", f"containers/{id}/start")
        return id, None if status < 400 else json.loads(told)["message"]

    async def ended(self, id: str, spec: Object) -> Object:
        """How it ended. One of which a process ran out of memory is ended as a whole, as the kernel
        does with control groups of version 2."""
        began, looks, is_oom = time.time(), 0, False
        while True:
            _, told = await self.ask("GET", f"containers/{id}/json")
            state = json.loads(told).get("State") or {}
            if not state.get("Running"):
                break
            looks += 1
            if looks % 4 == 0 and not is_oom and await self._ran_out(id, began):
                is_oom = True
                await self.ask("POST", f"containers/{id}/kill")
            await asyncio.sleep(_LOOK)
        code = int(state.get("ExitCode", 137))
        is_oom |= bool(state.get("OOMKilled"))
        over: Object = {"exitCode": 137 if is_oom else code, "containerID": f"docker://{id}"}
        over["reason"] = "OOMKilled" if is_oom else "Completed" if code == 0 else "Error"
        if over["exitCode"] and spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            _, log = await self.ask(
                "GET", f"containers/{id}/logs", stdout=True, stderr=True, tail="80"
            )
            over["message"] = printed(log)[-_MESSAGE:]
        return over

    async def _ran_out(self, id: str, since: float) -> bool:
        _, told = await self.ask(
            "GET",
            "events",
            filters={"event": ["oom"], "container": [id]},
            since=str(int(since - 1)),
            until=f"{time.time():.3f}",
        )
        return bool(told.strip())

    async def stop(self, pod: Object, names: Sequence[str], grace: float) -> None:
        """As the pod has it: what is to be done before, then SIGTERM, then the end."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace
        for spec in pod["spec"]["containers"]:
            hook = ((spec.get("lifecycle") or {}).get("preStop") or {}).get("exec")
            for each in await self._lives(pod, spec["name"]):
                if hook and grace > 1 and each["State"] == "running":
                    await self._exec(each["Id"], hook["command"])
        left = max(0, round(ends - loop.time()))
        lives = [each for name in names for each in await self._lives(pod, name)]
        await asyncio.gather(
            *(self.ask("POST", f"containers/{e['Id']}/stop", t=left) for e in lives)
        )

    async def hurry(self, pod: Object, names: Sequence[str], grace: float) -> None:
        await asyncio.sleep(grace)
        for name in names:
            for each in await self._lives(pod, name):
                await self.ask("POST", f"containers/{each['Id']}/kill")

    async def remove(self, uid: str) -> None:
        for each in await self._listed(f"{POD}={uid}"):
            await self.ask("DELETE", f"containers/{each['Id']}", force=True)
        _, told = await self.ask("GET", "volumes", filters={"label": [f"{POD}={uid}"]})
        for each in json.loads(told)["Volumes"] or []:
            await self.ask("DELETE", f"volumes/{each['Name']}", force=True)

    async def logs(self, pod: Object, query: Mapping[str, str]) -> str:
        wanted = query.get("container") or pod["spec"]["containers"][0]["name"]
        lives = await self._lives(pod, wanted)
        lives.sort(key=lambda each: int(each["Labels"][_LIFE]))
        if query.get("previous") == "true":
            lives = lives[:-1]
        if not lives:
            return ""
        more = {"tail": query["tailLines"]} if "tailLines" in query else {}
        stamps = query.get("timestamps") == "true"
        _, log = await self.ask(
            "GET",
            f"containers/{lives[-1]['Id']}/logs",
            stdout=True,
            stderr=True,
            timestamps=stamps,
            **more,
        )
        return printed(log)

    async def _lives(self, pod: Object, name: str) -> list[Any]:
        return await self._listed(f"{POD}={pod['metadata']['uid']}", f"{_NAME}={name}")

    async def _exec(self, id: str, command: Sequence[str]) -> None:
        status, told = await self.ask("POST", f"containers/{id}/exec", {"Cmd": list(command)})
        if status < 400:
            await self.ask("POST", f"exec/{json.loads(told)['Id']}/start", {"Detach": False})


def body_of(
    pod: Object, spec: Object, variables: Mapping[str, str], store: Store
) -> dict[str, Any]:
    own = spec.get("securityContext") or {}
    both = {**(pod["spec"].get("securityContext") or {}), **own}
    limits = (spec.get("resources") or {}).get("limits") or {}
    capabilities = own.get("capabilities") or {}
    host: dict[str, Any] = {
        "NetworkMode": f"container:sandbox-{pod['metadata']['uid']}",
        "ReadonlyRootfs": bool(own.get("readOnlyRootFilesystem")),
        "CapDrop": list(capabilities.get("drop") or []),
        "CapAdd": list(capabilities.get("add") or []),
        "SecurityOpt": ["no-new-privileges"] * (own.get("allowPrivilegeEscalation") is False),
        "Mounts": [_mount(pod, each, store) for each in spec.get("volumeMounts") or []],
    }
    if "memory" in limits:
        memory = int(amount_of(limits["memory"]))
        host["Memory"] = host["MemorySwap"] = memory
    body: dict[str, Any] = {
        "Image": spec["image"],
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "HostConfig": host,
    }
    if spec.get("command"):
        body["Entrypoint"] = spec["command"]
    if spec.get("args"):
        body["Cmd"] = spec["args"]
    if "runAsUser" in both:
        body["User"] = f"{both['runAsUser']}:{both.get('runAsGroup', 0)}"
    return body


def _mount(pod: Object, mount: Object, store: Store) -> dict[str, Any]:
    uid = pod["metadata"]["uid"]
    volume = next(each for each in pod["spec"]["volumes"] if each["name"] == mount["name"])
    target = {"Target": mount["mountPath"], "ReadOnly": bool(mount.get("readOnly"))}
    if "persistentVolumeClaim" in volume:
        name = volume["persistentVolumeClaim"]["claimName"]
        claim = store.find("persistentvolumeclaims", pod["metadata"]["namespace"], name)
        if claim is None:
            raise KeyError(f'persistentvolumeclaim "{name}" not found')
        return {"Type": "bind", "Source": claim["metadata"]["annotations"][FOLDER], **target}
    return {"Type": "volume", "Source": f"{uid}-{mount['name']}", **target}


def _variables(pod: Object, spec: Object, store: Store) -> dict[str, str]:
    """Raises KeyError with what is not there."""
    found = {}
    for each in spec.get("env") or []:
        source = each.get("valueFrom") or {}
        if "secretKeyRef" in source:
            reference = source["secretKeyRef"]
            namespace = pod["metadata"]["namespace"]
            secret = store.find("secrets", namespace, reference["name"])
            if secret is None:
                raise KeyError(f'secret "{reference["name"]}" not found')
            if reference["key"] not in (secret.get("data") or {}):
                at = f"{namespace}/{reference['name']}"
                raise KeyError(f"couldn't find key {reference['key']} in Secret {at}")
            found[each["name"]] = base64.b64decode(secret["data"][reference["key"]]).decode()
        elif "fieldRef" in source:
            value: Any = pod
            for key in source["fieldRef"]["fieldPath"].split("."):
                value = value[key]
            found[each["name"]] = str(value)
        else:
            found[each["name"]] = each.get("value", "")
    return found
