"""What a host tells of the requests it scored: to Prometheus, and in the traffic log."""

import json
from pathlib import Path

from outside import serving
from outside.running_host import RunningHost
from tests.fleets.fleet import Fleet


def looks_at_storage(fleet: Fleet, host: RunningHost) -> None:
    """What everything takes is listed. Of what an engine keeps, its own machine tells."""

    def usages(type: str) -> dict[str, dict[str, int]]:
        found = host.workspace.get(f"storageUsages?type={type}")["value"]
        return {each["name"]: each["properties"] for each in found}

    code = usages("codes/versions")["1"]
    assert (code["blobs"], code["blobBytes"]) == (1, len(serving.ECHO.encode()))
    local = fleet.name == "processes"
    assert (usages("environments/versions")["1"]["diskBytes"] > 1000) is local
    assert (usages("onlineEndpoints/deployments")["blue"]["diskBytes"] > 0) is local
    assert (usages("onlineEndpoints")["echo"]["diskBytes"] > 0) is local
    storage = host.workspace.get("storage")["properties"]
    assert storage["disk"]["takesNewWork"]
    assert 0 < storage["disk"]["freeBytes"] < storage["disk"]["totalBytes"]
    folders = {each["name"]: each["bytes"] for each in storage["folders"]}
    assert folders["documents.db"] > 0
    assert (folders["compute/environments"] > 1000) is local


def looks_at_figures(host: RunningHost) -> None:
    """Two requests have come, and one went to blue."""
    asked = "metrics?interval=FULL&aggregation=Total,Maximum&metricnames=RequestsPerMinute"
    insights = "providers/Microsoft.Insights"
    endpoint = host.workspace.get(
        f"onlineEndpoints/echo/{insights}/{asked}&$filter=statusCode eq '*'&orderby=total asc"
    )
    assert {
        each["metadatavalues"][0]["value"]: each["data"][0]["total"]
        for each in endpoint["value"][0]["timeseries"]
    } == {"200": 1, "401": 1}
    blue = host.workspace.get(
        f"onlineEndpoints/echo/deployments/blue/{insights}/{asked},RequestLatency"
    )
    requests, latency = [each["timeseries"][0]["data"][0] for each in blue["value"]]
    assert requests["total"] == 1
    assert latency["maximum"] > 0
    door = host.workspace.get(
        f"{insights}/metrics?metricnames=ConnectionsActive&interval=FULL&aggregation=Count"
    )
    # It was looked at when a request had come.
    assert door["value"][0]["timeseries"][0]["data"][0]["count"] >= 1


def test_a_host_counts_and_logs_what_it_scored(fleet: Fleet, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with fleet.hosting(data, environment={"ML_ENDPOINTS_LOG_TRAFFIC": "true"}) as host:
        serving.environment(host)
        serving.endpoint(host, "echo")
        serving.deploy(host, "echo/blue", serving.codes(host, "echo", {"score.py": serving.ECHO}))
        with serving.caller(host, "echo") as caller:
            name = {"azureml-model-deployment": "blue", "x-ms-client-request-id": "mine"}
            assert caller.post("", json={"a": 1}, headers=name).status_code == 200
            wrong = {**name, "authorization": "Bearer wrong"}
            assert caller.post("", json={"a": 1}, headers=wrong).status_code == 401
        url = f"{host.url}/metrics"
        assert host.workspace.http.get(url).status_code == 401
        told = host.workspace.http.get(url, headers=host.bearer())
        looks_at_storage(fleet, host)
        looks_at_figures(host)
        assert host.stop() == 0
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    requests = "online_endpoint_RequestsPerMinute_total"
    blue = 'endpoint="echo",deployment="blue"'
    lines = told.text.splitlines()
    ok = 'statusCode="200",statusCodeClass="2xx",modelStatusCode="200"'
    assert f"{requests}{{{blue},{ok}}} 1" in lines
    denied = 'statusCode="401",statusCodeClass="4xx",modelStatusCode=""'
    assert f'{requests}{{endpoint="echo",deployment="",{denied}}} 1' in lines
    assert f"online_deployment_RequestLatency_milliseconds_count{{{blue}}} 1" in lines
    lines = (data / "logs" / "traffic.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    assert [line["ResponseCode"] for line in logged] == [200, 401]
    first = logged[0]
    assert (first["EndpointName"], first["DeploymentName"]) == ("echo", "blue")
    assert (first["Method"], first["Path"]) == ("POST", "/score")
    assert (first["XMSClientRequestId"], first["ModelStatusCode"]) == ("mine", 200)
    assert "wrong" not in json.dumps(logged)
