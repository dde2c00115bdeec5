"""`python -m infra.embedded` as a user runs it: a real process, seen from outside."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.embedded.http.open_files import raise_open_files
from tests.kit.waiting import PATIENCE, eventually, patience

ROOT = Path(__file__).parents[4]


APP = """
import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, Request, Response

from domain.ports import Message
from infra.embedded.host.invocation import operation_id
from infra.embedded.services import EmbeddedServices
from infra.settings import Settings

EVENTS = Path("events.jsonl")
services = EmbeddedServices.open(Settings.read(os.environ))


def note(**event):
    with EVENTS.open("a") as file:
        file.write(json.dumps({**event, "operation": operation_id()}) + "\\n")


class Application:
    async def start(self):
        note(what="started")

    async def close(self):
        note(what="closed")


application = Application()
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="send/{what}", methods=["POST"])
async def send(req: Request) -> Response:
    await services.stores.queue.send("work", Message({"what": req.path_params["what"]}))
    return JSONResponse({"operation": operation_id()}, 202)


@app.route(route="slow", methods=["GET"])
async def slow(req: Request) -> Response:
    note(what="slow")
    while not Path("go-on").exists():
        await asyncio.sleep(0.005)
    return Response("done")


@app.route(route="whoami", methods=["GET"])
async def whoami(req: Request) -> Response:
    token = req.headers["authorization"].removeprefix("Bearer ")
    principal = await services.token_verifier.verify(token)
    return JSONResponse({"id": principal.id, "roles": sorted(principal.roles)})


@app.service_bus_queue_trigger(arg_name="msg", queue_name="work", connection="Bus")
async def work(msg: func.ServiceBusMessage) -> None:
    what = json.loads(msg.get_body())["what"]
    note(what=what, count=msg.delivery_count)
    if what == "hangs" and not Path("let-go").exists():
        await asyncio.Event().wait()


@app.blob_trigger(arg_name="blob", path="batch-inbox/{name}", connection="Storage")
async def arrived(blob: func.InputStream) -> None:
    note(what="arrived", name=blob.name)


@app.timer_trigger(arg_name="timer", schedule="%ML_ENDPOINTS_SWEEP_SCHEDULE%", run_on_startup=True)
async def sweep(timer: func.TimerRequest) -> None:
    note(what="swept")
"""

HOST_JSON = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}

AS_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.argv[2], sys.argv[2:])
"""


class HostProcess:
    """One run of the host. `connection` is what connection.json says."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.connection: dict[str, Any] = {}

    @property
    def file(self) -> Path:
        return self.folder / ".data" / "connection.json"

    async def ready(self) -> str:
        assert self.process.stdout is not None
        async with patience():
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("ready "), line
        self.connection = json.loads(self.file.read_text())
        return line.split()[1]

    def client(self) -> httpx.AsyncClient:
        ca = self.connection["ca_file"]
        verify = ssl.create_default_context(cafile=ca) if ca else False
        return httpx.AsyncClient(base_url=self.connection["url"], verify=verify, timeout=PATIENCE)

    def events(self, what: str | None = None) -> list[dict[str, Any]]:
        file = self.folder / "events.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines]
        return [event for event in found if what in (None, event["what"])]

    def descriptors(self) -> dict[int, bool]:
        """What the process has open, and whether that ends where it starts another program."""
        found = {}
        for path in Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
                found[int(path.name)] = bool(int(fields["flags"], 8) & os.O_CLOEXEC)
        return found

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        async with patience():
            return await self.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small_app.py").write_text(APP)
    (tmp_path / "host.json").write_text(json.dumps(HOST_JSON))
    values = {"ML_ENDPOINTS_SWEEP_SCHEDULE": "0 0 0 1 1 *", "ML_ENDPOINTS_WORKSPACE": "filed"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    return tmp_path


async def start(
    folder: Path,
    *arguments: str,
    passed: socket.socket | None = None,
    lent: tuple[int, ...] = (),
    umask: int = -1,
    files: int | None = None,
    environment: dict[str, str] | None = None,
) -> HostProcess:
    """With a socket `passed` as systemd passes one, descriptors `lent` by accident, and the
    right to have so many `files` open."""
    descriptors = lent
    command: tuple[str, ...] = ()
    if files is not None:
        command = ("/bin/sh", "-c", 'ulimit -n "$0" && exec "$@"', str(files))
    if passed is not None:
        descriptors = (passed.fileno(),)
        command = (sys.executable, "-c", AS_SYSTEMD, str(passed.fileno()))
    process = await asyncio.create_subprocess_exec(
        *command,
        sys.executable,
        "-m",
        "infra.embedded",
        *(arguments or ("small_app:app", "--port", "0", "--data-dir", ".data")),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        pass_fds=descriptors,
        umask=umask,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return HostProcess(process, folder)


@asynccontextmanager
async def running(
    folder: Path,
    *arguments: str,
    passed: socket.socket | None = None,
    lent: tuple[int, ...] = (),
    umask: int = -1,
    files: int | None = None,
) -> AsyncIterator[HostProcess]:
    host = await start(folder, *arguments, passed=passed, lent=lent, umask=umask, files=files)
    try:
        await host.ready()
        yield host
    finally:
        if host.process.returncode is None:
            host.process.kill()
        await host.process.communicate()


async def ended(host: HostProcess) -> tuple[int, str]:
    async with patience():
        _, errors = await host.process.communicate()
    assert host.process.returncode is not None
    return host.process.returncode, errors.decode()


async def test_what_the_host_makes_and_what_it_has_open_stays_its_own(folder: Path) -> None:
    with socket.socket() as lent:
        async with running(folder, lent=(lent.fileno(),), umask=0) as host:
            for at, folders, files in os.walk(folder / ".data"):
                for path in (Path(at), *(Path(at, name) for name in (*folders, *files))):
                    with contextlib.suppress(FileNotFoundError):  # a draft, gone since
                        assert not path.lstat().st_mode & 0o077 or path.is_symlink(), path
            assert lent.fileno() in host.descriptors()
            assert [n for n, on_exec in host.descriptors().items() if n > 2 and not on_exec] == []


async def test_silent_connections_leave_a_host_that_may_open_few_files_room(
    folder: Path,
) -> None:
    raise_open_files(2048)  # of this process, which has the other ends
    async with running(folder, files=1024) as host, host.client() as client:
        place = ("127.0.0.1", int(host.connection["url"].rpartition(":")[2]))
        with contextlib.ExitStack() as stack:
            for _ in range(1100):
                silent = stack.enter_context(socket.socket())
                silent.setblocking(False)
                silent.connect_ex(place)
            for _ in range(3):
                assert (await client.get("/healthz")).status_code == 200
                async with host.client() as new:
                    assert (await new.get("/healthz")).status_code == 200


async def test_the_host_drives_every_kind_of_function_and_stops_cleanly(folder: Path) -> None:
    async with running(folder) as host, host.client() as client:
        assert host.connection["url"].startswith("https://127.0.0.1:")
        assert set(host.connection) == {
            "url",
            "ca_file",
            "token_url",
            "client_id",
            "client_secret",
            "workspace",
            "inbox",
        }
        assert host.connection["workspace"].endswith("/workspaces/filed")
        assert stat.S_IMODE(host.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(host.file.parent.stat().st_mode) == 0o700
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200

        sent = await client.post("/send/hello")
        (Path(host.connection["inbox"]) / "rows.csv").write_text("1,2\n")
        await eventually(lambda: host.events("hello") and host.events("arrived"))
        await eventually(lambda: host.events("swept"))
        # The operation goes on from the request through the queue.
        assert host.events("hello")[0]["operation"] == sent.json()["operation"]
        assert host.events("arrived")[0]["name"] == "batch-inbox/rows.csv"

        asking = asyncio.create_task(client.get("/slow"))
        await eventually(lambda: host.events("slow"))
        stopping = asyncio.create_task(host.stop())
        log = folder / ".data" / "logs" / "host.jsonl"
        await eventually(lambda: '"stopping"' in log.read_text())
        (folder / "go-on").touch()
        assert (await asking).text == "done"
        assert await stopping == 0
        happened = [event["what"] for event in host.events()]
        assert (happened[0], happened[-1]) == ("started", "closed")
        assert not host.file.exists()
        assert host.connection["client_secret"] not in log.read_text()


async def test_the_connection_file_gives_a_token_that_is_accepted(folder: Path) -> None:
    async with running(folder) as host, host.client() as client:
        form = {"grant_type": "client_credentials"}
        answer = await client.post(
            host.connection["token_url"],
            data={
                **form,
                "client_id": host.connection["client_id"],
                "client_secret": host.connection["client_secret"],
            },
        )
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        who = (await client.get("/whoami", headers=bearer)).json()
        assert who == {"id": host.connection["client_id"], "roles": ["owner"]}

        added = await start(folder, "clients", "add", "reports", "--data-dir", ".data")
        output, _ = await added.process.communicate()
        words = output.decode().split()
        reader = dict(zip(words[::2], words[1::2], strict=True))
        answer = await client.post(host.connection["token_url"], data={**form, **reader})
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert (await client.get("/whoami", headers=bearer)).json()["roles"] == ["reader"]

        listed = await start(folder, "clients", "list", "--data-dir", ".data")
        output, _ = await listed.process.communicate()
        assert [line.split()[:2] for line in output.decode().splitlines()] == [
            ["owner", "owner"],
            ["reports", "reader"],
        ]
        again = await start(folder, "clients", "add", "reports", "--data-dir", ".data")
        code, errors = await ended(again)
        assert (code, errors) == (2, "there is a client `reports` already\n")


async def test_a_second_host_on_the_folder_is_refused_and_the_first_goes_on(folder: Path) -> None:
    async with running(folder) as host, host.client() as client:
        code, errors = await ended(await start(folder))
        assert code == 2
        assert "in use by another host" in errors
        assert str(host.process.pid) in errors
        assert host.file.exists()
        assert (await client.get("/readyz")).status_code == 200


async def test_a_killed_hosts_work_comes_again_at_once_and_its_identity_stays(folder: Path) -> None:
    async with running(folder) as host, host.client() as client:
        await client.post("/send/hangs")
        await eventually(lambda: host.events("hangs"))
        first = host.connection
        host.process.kill()
        await host.process.wait()
    (folder / "let-go").touch()
    async with running(folder) as host:
        await eventually(lambda: len(host.events("hangs")) == 2)
        assert [event["count"] for event in host.events("hangs")] == [1, 2]
        same = ("client_id", "client_secret", "workspace", "inbox", "ca_file")
        assert {k: first[k] for k in same} == {k: host.connection[k] for k in same}
        assert await host.stop(signal.SIGINT) == 0


async def test_a_socket_that_systemd_passes_lets_nobody_be_refused_between_two_hosts(
    folder: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            for _ in range(2):
                # Asked while no host runs.
                asking = asyncio.create_task(client.get("/healthz"))
                async with running(folder, "small_app:app", "--http", passed=bound) as host:
                    assert (await asking).text == "Healthy"
                    assert host.connection["url"] == url
                    assert await host.stop() == 0


async def test_what_is_passed_and_no_listener_is_refused(folder: Path) -> None:
    with socket.socket() as silent:
        code, errors = await ended(await start(folder, passed=silent))
    assert code == 2
    assert errors == "the socket that was passed (LISTEN_FDS) listens on no TCP port\n"


async def test_plain_http_and_the_welcome_are_there_when_asked_for(folder: Path) -> None:
    host = await start(folder, "small_app:app", "--port", "0", "--http", "--welcome")
    url = await host.ready()
    assert url.startswith("http://")
    assert host.connection["ca_file"] is None
    assert host.process.stdout is not None
    async with patience():
        text = ""
        while "Ctrl-C" not in text:
            text += (await host.process.stdout.readline()).decode()
    assert f"curl -s {url}/oauth2/v2.0/token" in text
    assert host.connection["client_secret"] not in text
    async with host.client() as client:
        assert (await client.get("/healthz")).text == "Healthy"
    assert await host.stop() == 0
    await host.process.communicate()


async def test_a_second_signal_ends_the_host_where_it_stands(folder: Path) -> None:
    async with running(folder) as host, host.client() as client:
        await client.post("/send/hangs")
        await eventually(lambda: host.events("hangs"))
        host.process.send_signal(signal.SIGINT)
        log = folder / ".data" / "logs" / "host.jsonl"
        await eventually(lambda: '"stopping"' in log.read_text())
        assert await host.stop(signal.SIGINT) == 130


@pytest.mark.parametrize(
    ("arguments", "environment", "complaint"),
    [
        (("nothing:app",), {}, "no module `nothing`"),
        (("json:dumps",), {}, "is not an azure.functions.FunctionApp"),
        (("small_app:app", "--data-dir", "small_app.py/x"), {}, "cannot be used"),
        (("small_app:app", "--port", "70000"), {}, "a port is 0 to 65535"),
        (
            ("small_app:app",),
            {"ML_ENDPOINTS_LOG_LEVEL": "LOUD", "ML_ENDPOINTS_WORKSPAEC": "x"},
            "ML_ENDPOINTS_WORKSPAEC: no such setting; did you mean ML_ENDPOINTS_WORKSPACE?",
        ),
    ],
)
async def test_what_cannot_start_says_why(
    folder: Path, arguments: tuple[str, ...], environment: dict[str, str], complaint: str
) -> None:
    code, errors = await ended(await start(folder, *_with_port(arguments), environment=environment))
    assert code == 2
    assert complaint in errors
    assert "Traceback" not in errors
    if environment:
        assert "ML_ENDPOINTS_LOG_LEVEL" in errors


def _with_port(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments if "--port" in arguments else (*arguments, "--port", "0")


async def test_too_few_files_are_refused(folder: Path) -> None:
    code, errors = await ended(await start(folder, files=256))
    assert code == 2
    assert "may have 256 files open at once, and a host needs 512" in errors


async def test_a_port_in_use_is_refused(folder: Path) -> None:
    async with running(folder) as host:
        port = host.connection["url"].rpartition(":")[2]
        other = await start(folder, "small_app:app", "--port", port, "--data-dir", "other")
        code, errors = await ended(other)
        assert code == 2
        assert f"port {port}" in errors
