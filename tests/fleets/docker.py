"""Instances as containers of a Docker Engine on this machine."""

import json
import random
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from pathlib import Path

from infra.compute.docker.labels import IMAGE, INSTALLATION, KEY
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.servers.engine.dockerd import EngineApi, settings_of

_WRITABLE = "ML_ENDPOINTS_SCRIPT_WRITABLE"
_READABLE = "ML_ENDPOINTS_SCRIPT_READABLE"


class DockerContainers(Fleet):
    name = "docker"

    def __init__(self, engine: EngineApi, restart: Callable[[], None] | None = None) -> None:
        self.engine = engine
        self.restart = restart

    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        writable = [*folders(told.get(_WRITABLE, "")), str(meeting.absolute())]
        mounts = [f"{each}:{each}" for each in dict.fromkeys(writable)]
        mounts += [f"{each}:{each}:ro" for each in folders(told.get(_READABLE, ""))]
        return {**settings_of(self.engine), "ML_ENDPOINTS_CONTAINER_MOUNTS": ",".join(mounts)}

    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        mine = installation_of(host)
        labels = (f"{INSTALLATION}={mine}", f"{KEY}=online/{deployment}")
        found = self.engine.containers(*labels) if mine else []
        return {each["Id"] for each in found if each["State"] in ("running", "paused")}

    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        return processes_in(self.engine, self.instances(host, deployment), " serve ")

    def workers(self, host: RunningHost) -> set[str]:
        mine = installation_of(host)
        found = self.engine.containers(f"{INSTALLATION}={mine}") if mine else []
        return processes_in(
            self.engine, {e["Id"] for e in found if e["State"] == "running"}, " work "
        )

    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        mine = f"{INSTALLATION}={installation_of(host)}"
        wanted = "workers/" if doing == "work" else "online/"
        there = [
            each
            for each in self.engine.containers(mine)
            if each["State"] == "running" and each["Labels"].get(KEY, "").startswith(wanted)
        ]
        if not there:
            return None
        victim = rng.choice(sorted(there, key=lambda each: str(each["Names"])))
        what = rng.choice(("kill", "pause", "disconnect"))
        networks = [each["NetworkID"] for each in victim["NetworkSettings"]["Networks"].values()]
        if what == "disconnect" and networks:
            body = {"Container": victim["Id"], "Force": True}
            did = self._did(f"networks/{networks[0]}/disconnect", body)
            return what if did else None  # it has ended meanwhile
        if what == "disconnect":  # it was cut off before
            what = "kill"
        did = self._did(f"containers/{victim['Id']}/{what}")
        if not did and what == "pause":  # a kernel that is busy cannot freeze it
            what = "kill"
            did = self._did(f"containers/{victim['Id']}/{what}")
        return what if did else None  # it has ended meanwhile

    def _did(self, path: str, body: dict[str, object] | None = None) -> bool:
        """An engine that is too busy to say so may have, or yet do it."""
        try:
            status, _ = self.engine.ask("POST", path, body)
        except TimeoutError:
            return True
        return status < 400

    def environments(self, host: RunningHost) -> int:
        labels = [f"{INSTALLATION}={installation_of(host)}", f"{IMAGE}=environment"]
        return len(self.engine.get("images/json", filters={"label": labels}))

    def clear(self, host: RunningHost) -> None:
        if mine := installation_of(host):
            self.clear_installation(mine)

    def clear_installation(self, mine: str) -> None:
        filters = {"label": [f"{INSTALLATION}={mine}"]}
        for each in self.engine.containers(f"{INSTALLATION}={mine}"):
            self.engine.ask("DELETE", f"containers/{each['Id']}", force=True)
        for each in self.engine.get("networks", filters=filters):
            self.engine.ask("DELETE", f"networks/{each['Id']}")
        for each in self.engine.get("images/json", filters=filters):
            for name in each["RepoTags"] or [each["Id"]]:
                self.engine.ask("DELETE", f"images/{name}")


def processes_in(engine: EngineApi, ids: Collection[str], doing: str) -> set[str]:
    tops = [engine.ask("GET", f"containers/{id}/top") for id in ids]
    shown = [json.loads(content) for status, content in tops if status == 200]
    return {
        row[top["Titles"].index("PID")]
        for top in shown
        for row in top["Processes"]
        if doing in row[-1]
    }


def installation_of(host: RunningHost) -> str:
    """The id of the installation that a host belongs to; '' before it has one."""
    file = host.data_dir / "documents.db"
    if not file.exists():
        return ""
    query = "SELECT body FROM documents WHERE kind = 'remoteInstallation'"
    with closing(sqlite3.connect(file)) as documents:
        found = documents.execute(query).fetchone()
    return str(json.loads(found[0])["name"]) if found else ""


def folders(setting: str) -> list[str]:
    return [each.strip() for each in setting.split(",") if each.strip()]
