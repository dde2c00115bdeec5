"""Scoring scripts and environments that do what they should not."""

import contextlib
import re

import httpx
import pytest

from examples.client import CallFailed
from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet
from tests.kit.waiting import until

FAST = {"initialDelay": "PT0S", "period": "PT0.2S", "timeout": "PT0.3S", "failureThreshold": 5}


@pytest.fixture(scope="module", autouse=True)
def raising(host: RunningHost) -> str:
    """The operation of a deployment whose init() raises. It is tried anew for a while, so the
    other tests go on meanwhile."""
    serving.endpoint(host, "odd")
    script = "def init():\n    raise RuntimeError('no weights here')\ndef run(d): pass\n"
    code = serving.codes(host, "raising", {"score.py": script})
    body = serving.deployment_body(host, code)
    put = host.workspace.call("PUT", "onlineEndpoints/odd/deployments/raising", body)
    operation: str = put.headers["Azure-AsyncOperation"]
    return operation


def refused(host: RunningHost, name: str, script: str, **options: object) -> str:
    """How a deployment of this script fails, as the one who waits on it sees it."""
    code = serving.codes(host, name, {"score.py": script})
    with pytest.raises(RuntimeError) as failed:
        serving.deploy(host, f"odd/{name}", code, **options)
    shown = host.workspace.get(f"onlineEndpoints/odd/deployments/{name}")
    assert shown["properties"]["provisioningState"] == "Failed"
    logs = host.workspace.call("POST", f"onlineEndpoints/odd/deployments/{name}/getLogs")
    return f"{failed.value}\n-- logs\n{logs.json()['content']}"


def test_a_script_that_cannot_be_imported_says_where(host: RunningHost) -> None:
    told = refused(host, "import", "import no_such_module\ndef init(): pass\ndef run(d): pass\n")
    assert "UserScriptImportError" in told
    assert told.count("No module named 'no_such_module'") >= 2


def test_a_syntax_error_says_where(host: RunningHost) -> None:
    told = refused(host, "syntax", "def init(:\n")
    assert "UserScriptImportError" in told
    assert "line 1" in told


def test_a_script_without_run_says_so(host: RunningHost) -> None:
    assert "UserScriptFunctionNotFound" in refused(host, "headless", "def init(): pass\n")


def test_an_init_that_hangs_fails_by_its_readiness_probe(fleet: Fleet, host: RunningHost) -> None:
    script = "import threading\ndef init():\n    threading.Event().wait()\ndef run(d): pass\n"
    told = refused(host, "hanging", script, readinessProbe=FAST)
    assert "ResourceNotReady" in told
    assert "was not ready after 1 s" in told
    assert "5 failures 0.2 s apart" in told
    assert "init() has not come to its end" in told
    until(lambda: not fleet.scripts(host, "odd/hanging"))


def test_a_script_file_that_is_not_there_is_named(host: RunningHost) -> None:
    code = serving.codes(host, "nofile", {"other.py": "pass"})
    with pytest.raises((RuntimeError, CallFailed), match=r"score\.py"):
        serving.deploy(host, "odd/nofile", code)


@pytest.mark.parametrize("script", ["../../score.py", "/etc/passwd", "a\0b", "x" * 600])
def test_a_script_path_out_of_the_code_is_refused(host: RunningHost, script: str) -> None:
    code = serving.codes(host, "paths", {"score.py": serving.ECHO})
    with pytest.raises((RuntimeError, CallFailed), match=r"(?i)scoring_?script"):
        serving.deploy(host, "odd/paths", code, script=script)


def test_an_unknown_instance_type_is_refused_with_those_there_are(host: RunningHost) -> None:
    code = serving.codes(host, "typed", {"score.py": serving.ECHO})
    with pytest.raises(CallFailed, match=r"400.*(?s:.*)Standard_DS1_v2"):
        serving.deploy(host, "odd/typed", code, instanceType="Standard_Imaginary_v9")


def test_an_environment_that_cannot_be_built_says_why_and_leaves_nothing(
    fleet: Fleet,
    host: RunningHost,
) -> None:
    conda = "dependencies:\n  - python=3.11\n  - pip:\n    - flask==0.0.0.999\n"
    environment = serving.environment(host, "unbuildable", conda)
    told = refused(host, "unbuilt", serving.ECHO, environmentId=environment)
    assert "ImageBuildFailure" in told
    assert re.search(r"flask", told)
    assert fleet.environments(host) == 1
    path = "onlineEndpoints/odd/deployments/unbuilt/getLogs"
    built = host.workspace.call("POST", path, {"containerType": "StorageInitializer"}).json()
    assert "flask" in built["content"]


@pytest.mark.parametrize(
    ("conda", "complaint"),
    [
        ("dependencies:\n  - python=3.4\n", "3.4"),
        ("dependencies:\n  - python=3.11\n  - gcc_linux-64\n", "gcc_linux-64"),
        ("dependencies: 7\n", "dependencies"),
        ("not: [closed\n", "YAML"),
        ("dependencies:\n  - pip:\n    - '--trusted-host=evil'\n", "trusted-host"),
        ("dependencies:\n  - pip:\n    - 'x @ file:///etc/passwd'\n", "file:"),
    ],
)
def test_an_environment_that_could_never_be_built_is_refused_at_once(
    host: RunningHost, conda: str, complaint: str
) -> None:
    code = serving.codes(host, "never", {"score.py": serving.ECHO})

    def attempt() -> None:
        environment = serving.environment(host, f"never{abs(hash(conda))}", conda)
        serving.deploy(host, "odd/never", code, environmentId=environment)

    with pytest.raises(CallFailed, match=f"400.*(?s:.*){re.escape(complaint)}"):
        attempt()


def test_a_crash_in_run_costs_its_own_request_and_the_next_are_answered(
    host: RunningHost,
) -> None:
    code = serving.codes(host, "crashing", {"score.py": serving.ECHO})
    serving.deploy(host, "odd/crashing", code, count=2)
    with serving.caller(host, "odd") as client:
        client.headers["azureml-model-deployment"] = "crashing"
        for _ in range(3):
            died = client.post("", json={"exit": 1})
            assert died.status_code == 502
            assert "went away" in died.json()["error"]["message"]
            assert client.post("", json={}).status_code == 200
            until(
                lambda: len({client.post("", json={"who": 1}).json()["who"] for _ in "1234"}) == 2
            )
    logs = host.workspace.call("POST", "onlineEndpoints/odd/deployments/crashing/getLogs").json()
    assert "exit" in logs["content"]


STREAMS = """
import asyncio, json, os


class Response:
    def __init__(self, body):
        self.status_code = 200
        self.headers = {"content-type": "text/event-stream"}
        self.body = body


def init():
    pass


def broken():
    yield "data: one\\n\\n"
    raise ValueError("in the middle")


async def hanging():
    yield "data: one\\n\\n"
    await asyncio.Event().wait()


def dying():
    yield "data: one\\n\\n"
    os._exit(3)


async def early():
    raise ValueError("before the first")
    yield


async def tokens():
    for token in ("one", "two"):
        await asyncio.sleep(0)
        yield {"token": token}


def run(data):
    return eval(json.loads(data))
"""


def test_a_stream_that_breaks_off_is_never_taken_for_whole_and_the_log_says_why(
    fleet: Fleet,
    host: RunningHost,
) -> None:
    code = serving.codes(host, "streams", {"score.py": STREAMS})
    serving.deploy(host, "odd/streams", code)
    serving.deploy(host, "odd/hasty", code, requestSettings={"requestTimeout": "PT2S"})

    def requests(deployment: str, of: str = "RequestsPerMinute") -> list[str]:
        told = host.workspace.http.get(f"{host.url}/metrics", headers=host.bearer())
        name = f'online_endpoint_{of}_total{{endpoint="odd",deployment="{deployment}"'
        return [line for line in told.text.splitlines() if line.startswith(name)]

    def counted(deployment: str, reason: str) -> int:
        wanted = f'reason="{reason}",fault="deployment"'
        found = [line for line in requests(deployment, "RequestFailures") if wanted in line]
        return sum(int(line.rpartition(" ")[2]) for line in found)

    def logs(deployment: str) -> str:
        path = f"onlineEndpoints/odd/deployments/{deployment}/getLogs"
        content: str = host.workspace.call("POST", path).json()["content"]
        return content

    with serving.caller(host, "odd") as client:

        def breaks_off(deployment: str, expression: str, request_id: str) -> bool:
            """False where a slow machine had not even begun in time."""
            headers = {"x-request-id": request_id, "azureml-model-deployment": deployment}
            with client.stream("POST", "", json=expression, headers=headers) as answer:
                if answer.status_code == 408:
                    return False
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "text/event-stream"
                came = answer.iter_raw()
                assert next(came) == b"data: one\n\n"
                with pytest.raises(httpx.RemoteProtocolError):
                    next(came)
            return True

        assert breaks_off("streams", "Response(broken())", "r-raise")
        assert until(lambda: breaks_off("hasty", "Response(hanging())", "r-hang"))
        raised = " r-raise [ml-endpoints] the answer broke off after 11 bytes: ValueError"
        until(lambda: raised in logs("streams") and "Traceback" in logs("streams"))
        assert logs("streams").count("Traceback") == 1
        # What came of an answer is counted once it has broken off.
        until(lambda: counted("streams", "AnswerCutOff") == 1)
        until(lambda: counted("hasty", "AnswerTimeout") == 1)
        for each in ("streams", "hasty"):
            assert not any('statusCodeClass="2xx"' in line for line in requests(each))
        hung = " r-hang [ml-endpoints] the answer broke off: nothing more came for 2000 ms"
        until(lambda: hung in logs("hasty"))

        client.headers["azureml-model-deployment"] = "streams"
        refused = client.post("", json="Response(early())")
        assert refused.status_code == 424
        assert refused.headers["ms-azureml-model-error-statuscode"] == "500"
        assert "scoring script" in refused.json()["message"]
        whole = client.post("", json="Response(tokens())")
        assert whole.text == 'data: {"token": "one"}\n\ndata: {"token": "two"}\n\n'
        gap = client.post("", json="[1, float('nan')]")
        assert (gap.content, gap.headers["x-ms-run-non-finite"]) == (b"[1, null]", "True")
        assert breaks_off("streams", "Response(dying())", "r-die")
        if fleet.name == "processes":
            until(lambda: counted("streams", "AnswerLost") == 1)
        else:  # a node's door outlives its process: from outside it is the script that ended it
            until(lambda: counted("streams", "AnswerCutOff") == 2)
        told = host.workspace.http.get(f"{host.url}/metrics", headers=host.bearer()).text
        streams = 'endpoint="odd",deployment="streams"'
        assert f"online_deployment_NonFiniteAnswers_total{{{streams}}} 1" in told
        assert f"StreamDuration_milliseconds_count{{{streams}}} 3" in told


def test_megabytes_printed_are_kept_within_bounds(host: RunningHost) -> None:
    code = serving.codes(host, "loud", {"score.py": serving.ECHO})
    serving.deploy(host, "odd/loud", code, requestSettings={"requestTimeout": "PT5M"})
    with serving.caller(host, "odd") as client:
        client.headers["azureml-model-deployment"] = "loud"
        for _ in range(3):
            assert client.post("", json={"print": 20_000_000}).status_code == 200

    def size() -> int:
        found = 0
        for file in host.files("compute", "logs"):
            # One that was full may have gone meanwhile.
            with contextlib.suppress(FileNotFoundError):
                found += file.stat().st_size
        return found

    # Where it was cut is the pace's: 16 MiB at most are set aside, and as much may have come since.
    until(lambda: size() < 36_000_000)
    path = "onlineEndpoints/odd/deployments/loud/getLogs"
    content = host.workspace.call("POST", path, {"tail": 100}).json()["content"]
    assert 50 < len(content.splitlines()) <= 101


def test_an_instance_that_answers_no_probe_is_replaced(host: RunningHost) -> None:
    frozen = host.meeting / "frozen"
    script = (
        "import os, signal, uuid\ndef init(): pass\nwho = uuid.uuid4().hex\n"
        "def run(d):\n"
        "    if 'stop' in d:\n"
        f"        open({str(frozen)!r}, 'w').write(who)\n"
        "        os.kill(os.getpid(), signal.SIGSTOP)\n"
        "    return who\n"
    )
    code = serving.codes(host, "frozen", {"score.py": script})
    # A probe that a busy machine lets pass is worth a new instance, which is no harm here.
    probe = {**FAST, "timeout": "PT2S", "failureThreshold": 3}
    serving.deploy(host, "odd/frozen", code, livenessProbe=probe)
    with serving.caller(host, "odd") as client:
        client.headers["azureml-model-deployment"] = "frozen"
        stopped = until(lambda: (r := client.post("", json={"stop": 1})) and frozen.exists() and r)
        assert stopped.status_code == 502
        until(
            lambda: (
                (r := client.post("", json={})).status_code == 200
                and r.json() != frozen.read_text()
            )
        )


def test_an_init_that_raises_shows_its_traceback(host: RunningHost, raising: str) -> None:
    ended = until(
        lambda: (s := host.workspace.call("GET", raising).json())["status"] == "Failed" and s,
    )
    assert ended["error"]["code"] == "UserScriptInitFailed"
    assert "RuntimeError: no weights here" in ended["error"]["message"]
    assert "It died 6 times in a row" in ended["error"]["message"]
    assert ended["error"]["message"].count("Traceback") == 1
    logs = host.workspace.call("POST", "onlineEndpoints/odd/deployments/raising/getLogs")
    content = logs.json()["content"]
    assert content.count("Traceback") == 1
    assert content.count("It is started again") == 5
    assert '"code"' not in content
