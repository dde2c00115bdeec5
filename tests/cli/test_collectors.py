"""A data collector's YAML, and what REST has for it."""

from typing import Any

from cli.documents.faults import Faults
from cli.documents.yaml_file import Document
from cli.kinds.collectors import COLLECTOR, with_data

SAID = {
    "collections": {
        "request": {"enabled": "True"},
        "mine": {"enabled": True, "sampling_rate": 0.1, "data": {"name": "kept"}},
        "model_inputs": {},
    },
    "sampling_rate": 0.5,
    "rolling_rate": "day",
    "redaction": {"fields": ["ssn"], "kinds": ["card_number"]},
}


def test_a_collector_is_sent_as_azures_sdk_sends_it() -> None:
    faults = Faults(Document({}, None))
    kept = COLLECTOR.read(SAID, (), faults)
    assert faults.found == []
    named: list[Any] = []

    def register(data: Any) -> str:
        named.append(data)
        return "azureml:kept:1"

    fields = {"endpoint_name": "iris", "name": "blue", "data_collector": kept}
    prepared = with_data(fields, register)
    assert COLLECTOR.sent(prepared) == {
        "collections": {
            "request": {"dataCollectionMode": "Enabled", "samplingRate": 0.5},
            "mine": {
                "dataCollectionMode": "Enabled",
                "samplingRate": 0.1,
                "dataId": "azureml:kept:1",
            },
            "model_inputs": {"dataCollectionMode": "Disabled", "samplingRate": 0.5},
        },
        "rollingRate": "Day",
        "redaction": {"fields": ["ssn"], "kinds": ["CardNumber"]},
    }
    [data] = named
    assert (data["name"], data["version"], data["type"]) == ("kept", "1", "uri_folder")
    assert data["path"].endswith("/paths/modelDataCollector/iris/blue/mine")


def test_what_is_no_collector_is_told_with_its_place() -> None:
    faults = Faults(Document({}, None))
    COLLECTOR.read({"collections": {"a": {"enabled": "maybe"}}, "rolling_rate": 3}, (), faults)
    assert len(faults.found) == 2
