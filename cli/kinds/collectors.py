"""The data collector of an online deployment, as YAML has it."""

from collections.abc import Callable
from typing import Any

from cli.kinds.assets import NAME, AssetOf
from cli.kinds.types import Choice, Field, Json, ListOf, MapOf, Number, Record, Text

_RATES = {"year": "Year", "month": "Month", "day": "Day", "hour": "Hour", "minute": "Minute"}
_SENSITIVE = {"email": "Email", "card_number": "CardNumber", "ip_address": "IpAddress"}

_DATA = Record(
    (
        Field("name", NAME, doc="ENDPOINT-DEPLOYMENT-COLLECTION when it is left out"),
        Field("version", Text(), doc="1 when it is left out"),
        Field("path", Text(), doc="modelDataCollector/… when it is left out"),
    )
)
_COLLECTION = Record(
    (
        Field(
            "enabled",
            Choice({"true": "Enabled", "false": "Disabled"}),
            "dataCollectionMode",
            default="false",
        ),
        Field("sampling_rate", Number(0, 1), "samplingRate", doc="the part of requests, 1 for all"),
        Field("client_id", Text(), "clientId"),
        Field("data", AssetOf("data", _DATA), "dataId", doc="the folder that it is written into"),
    )
)


class _Collector(Record):
    """`sampling_rate` of all is said for each in REST."""

    def sent(self, value: Json) -> Json:
        body = super().sent(value)
        if value.get("sampling_rate") is not None:
            for each in body["collections"].values():
                each.setdefault("samplingRate", value["sampling_rate"])
        return body


COLLECTOR = _Collector(
    (
        Field("collections", MapOf(_COLLECTION), "collections", required=True),
        Field("sampling_rate", Number(0, 1)),
        Field("rolling_rate", Choice(_RATES), "rollingRate"),
        Field(
            "request_logging",
            Record((Field("capture_headers", ListOf(Text()), "captureHeaders"),)),
            "requestLogging",
        ),
        # Ours.
        Field(
            "redaction",
            Record(
                (
                    Field("fields", ListOf(Text()), "fields"),
                    Field("kinds", ListOf(Choice(_SENSITIVE)), "kinds"),
                )
            ),
            "redaction",
            doc="what is taken out before anything is written",
        ),
    )
)


def with_data(fields: dict[str, Any], named: Callable[[Json], str]) -> dict[str, Any]:
    """The collector of a deployment's `fields`, with each data asset by the id that `named` has
    for it."""
    collector: dict[str, Any] = fields["data_collector"]
    collections = {
        name: {**each, "data": named(_asset(fields, name, each["data"]))}
        if "data" in each
        else each
        for name, each in collector["collections"].items()
    }
    return {**collector, "collections": collections}


def _asset(fields: dict[str, Any], collection: str, said: Json) -> Json:
    """What of it is not said is as Azure has it."""
    if not isinstance(said, dict):
        return said
    endpoint, deployment = fields["endpoint_name"], fields["name"]
    place = f"modelDataCollector/{endpoint}/{deployment}/{collection}"
    return {
        "name": f"{endpoint}-{deployment}-{collection}",
        "version": "1",
        "type": "uri_folder",
        "path": f"azureml://datastores/workspaceblobstore/paths/{place}",
        **said,
    }
