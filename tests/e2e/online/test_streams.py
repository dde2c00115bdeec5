"""A model's answer, token by token, through the door."""

import json

import pytest

from outside import serving
from outside.running_host import ROOT, RunningHost

EXAMPLE = ROOT / "examples" / "tokens"


@pytest.fixture(scope="module", autouse=True)
def endpoint(host: RunningHost) -> None:
    serving.endpoint(host, "tokens")


@pytest.mark.parametrize("script", ["score_tokens.py", "score_tokens_async.py"])
def test_the_example_streams_tokens_as_events(host: RunningHost, script: str) -> None:
    files = {path.name: path.read_text() for path in EXAMPLE.glob("*.py")}
    name = script.partition(".")[0].replace("_", "-")
    serving.deploy(
        host, f"tokens/{name}", serving.codes(host, "tokens", files), script=script, count=1
    )
    asked = {"prompt": "Sparse", "max_tokens": 12}
    with serving.caller(host, "tokens") as client:
        client.headers["azureml-model-deployment"] = name
        with client.stream("POST", "", json={**asked, "stream": True}) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream"
            assert answer.headers["cache-control"] == "no-cache"
            events = answer.read().decode().split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        tokens = [json.loads(event.removeprefix("data: "))["token"] for event in events[:-2]]
        assert len(tokens) == 12
        assert tokens[0] == "is"
        whole = client.post("", json=asked)
        assert whole.headers["content-type"] == "application/json"
        assert whole.json()["text"].startswith("is ")
