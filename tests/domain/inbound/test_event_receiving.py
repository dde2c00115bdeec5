"""Events of other systems: read, matched, made into jobs, once."""

from typing import Any

import pytest

from domain.errors import Invalid, TooLarge, Unauthenticated
from domain.ground.messages import EVENTS_QUEUE
from domain.ground.resource import Wanted
from domain.inbound.event_mapping import EventMappingProperties
from domain.inbound.event_receiving import Reception
from domain.inbound.event_template import filled, template_faults
from domain.inbound.inbound_event import InboundEvent, read_binary, read_events, validation_code
from domain.jobs.batch_jobs import JobChoice
from tests.kit.mischief import Crash
from tests.kit.stages.event_stage import URL, EventStage
from tests.kit.stages.provisioning_stage import ANY, CALLER, faults

BLOB = "Microsoft.Storage.BlobCreated"
DATA_URL = f"{URL}/blobs/workspaceblobstore/data/a.csv"


def grid_event(id: str = "e1", **changes: Any) -> dict[str, Any]:
    """As Event Grid tells of a blob."""
    return {
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/x",
        "subject": "/blobServices/default/containers/data/blobs/a.csv",
        "eventType": BLOB,
        "id": id,
        "data": {"api": "PutBlob", "url": DATA_URL, "contentLength": 5},
        "dataVersion": "",
        "metadataVersion": "1",
        "eventTime": "2026-01-02T00:00:00Z",
        **changes,
    }


def cloud_event(id: str = "c1", **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id,
        "source": "/orders",
        "type": "Orders.Ready",
        "subject": "orders/1",
        "data": {"url": DATA_URL},
        **changes,
    }


async def mapped(stage: EventStage, name: str = "blobs", **properties: Any) -> None:
    asked = {
        "endpoint_name": "irises",
        "job": {"input_data": {"file": {"job_input_type": "UriFile", "uri": "{{data.url}}"}}},
        **properties,
    }
    wanted = Wanted[EventMappingProperties].model_validate({"properties": asked})
    await stage.app.inbound.mappings.put(name, wanted, CALLER, ANY)


async def receive(stage: EventStage, *events: dict[str, Any], name: str = "blobs") -> Reception:
    mapping = await stage.app.inbound.receiving.mapping(name)
    return await stage.app.inbound.receiving.receive(mapping, read_events(list(events)))


async def job_names(stage: EventStage) -> list[str]:
    found, _ = await stage.app.jobs.collection.list(100, None, JobChoice())
    return [view.job.name for view in found]


async def test_an_event_becomes_a_job_over_what_it_names(stage: EventStage) -> None:
    await stage.batch_endpoint()
    await mapped(
        stage,
        job={
            "input_data": {"file": {"job_input_type": "UriFile", "uri": "{{data.url}}"}},
            "display_name": "{{type}} {{data.contentLength}}",
            "tags": {"event": "{{id}}"},
            "mini_batch_size": 3,
        },
    )
    assert await receive(stage, grid_event()) == Reception(1, 0, 0)
    await stage.settle(2)
    [view], _ = await stage.app.jobs.collection.list(10, None, JobChoice())
    [read] = view.job.inputs
    assert (read.container, read.path) == ("workspaceblobstore", "data/a.csv")
    assert view.job.display_name == f"{BLOB} 5"
    assert view.job.tags == {"event": "e1"}
    assert view.job.settings.mini_batch_size == 3
    [received], _ = await stage.app.inbound.receiving.recent("blobs", 10, None)
    assert (received.status.value, received.job) == ("Started", view.job.name)


async def test_the_same_event_twice_gives_one_job(stage: EventStage) -> None:
    await stage.batch_endpoint()
    await mapped(stage)
    assert await receive(stage, grid_event(), grid_event()) == Reception(1, 1, 0)
    await stage.settle(2)
    assert await receive(stage, grid_event(), grid_event("e2")) == Reception(1, 1, 0)
    await stage.settle(2)
    assert len(await job_names(stage)) == 2
    stage.clock.move(8 * 24 * 3600)
    # Its own record is gone by now; the job's key is not.
    assert await receive(stage, grid_event()) == Reception(1, 0, 0)
    await stage.settle(2)
    assert len(await job_names(stage)) == 2


async def test_one_id_of_two_sources_is_two_events(stage: EventStage) -> None:
    await stage.batch_endpoint()
    await mapped(stage)
    other = cloud_event("e1", source="/elsewhere")
    assert await receive(stage, cloud_event("e1"), other) == Reception(2, 0, 0)
    await stage.settle(2)
    assert len(await job_names(stage)) == 2


async def test_events_that_are_none_of_the_mapping_s_are_counted(stage: EventStage) -> None:
    await mapped(
        stage,
        filter={
            "included_event_types": [BLOB],
            "subject_ends_with": ".CSV",
            "advanced_filters": [
                {"operator_type": "StringIn", "key": "data.api", "values": ["putblob"]},
                {"operator_type": "StringBeginsWith", "key": "data.url", "values": [URL]},
                {"operator_type": "StringContains", "key": "source", "values": ["storage"]},
                {"operator_type": "StringEndsWith", "key": "data.url", "values": [".csv"]},
            ],
        },
    )
    unlike = [
        cloud_event(),
        grid_event("2", subject="a.json"),
        grid_event("3", data={"api": "CopyBlob", "url": DATA_URL}),
        grid_event("4", data={"api": "PutBlob", "url": "https://evil.example/a.csv"}),
        grid_event("5", data={}),
        grid_event("6", topic="/other"),
    ]
    assert await receive(stage, grid_event(), *unlike) == Reception(1, 0, 6)
    await stage.app.sums.flush()
    counts = await stage.app.inbound.receiving.counts(
        await stage.app.inbound.receiving.mapping("blobs")
    )
    assert counts == {"accepted": 1, "repeated": 0, "unmatched": 6}


async def test_an_endpoint_that_is_not_ready_is_waited_for(stage: EventStage) -> None:
    await mapped(stage)
    await receive(stage, grid_event())
    await stage.settle(10)
    [waiting], _ = await stage.app.inbound.receiving.recent("blobs", 10, None)
    assert (waiting.status.value, waiting.error is not None) == ("Accepted", True)
    await stage.batch_endpoint()
    await stage.settle(60)
    [started], _ = await stage.app.inbound.receiving.recent("blobs", 10, None)
    assert (started.status.value, started.error) == ("Started", None)
    assert await job_names(stage) == [started.job]


async def test_it_is_not_waited_for_longer_than_a_day(stage: EventStage) -> None:
    await mapped(stage)
    await receive(stage, grid_event())
    await stage.settle(26 * 3600, step=200)
    [failed], _ = await stage.app.inbound.receiving.recent("blobs", 10, None)
    assert failed.status.value == "Failed"
    assert failed.error is not None
    assert failed.error.code == "ResourceNotFound"


async def test_an_event_that_makes_no_job_is_refused_and_told(stage: EventStage) -> None:
    await stage.batch_endpoint()
    await mapped(stage)
    elsewhere = grid_event("1", data={"url": "ftp://evil.example/a.csv"})
    system = grid_event("2", data={"url": f"{URL}/blobs/system/x"})
    climbing = grid_event("3", data={"url": f"{URL}/blobs/workspaceblobstore/%2e%2e/system/x"})
    nothing = grid_event("4", data={})
    assert await receive(stage, elsewhere, system, climbing, nothing) == Reception(4, 0, 0)
    await stage.settle(3)
    found, _ = await stage.app.inbound.receiving.recent("blobs", 10, None)
    assert {each.status.value for each in found} == {"Failed"}
    assert all(each.error for each in found)
    assert await job_names(stage) == []


async def test_a_crash_between_saving_and_sending_loses_no_event(stage: EventStage) -> None:
    await stage.batch_endpoint()
    await mapped(stage)
    stage.queue.dies_at = EVENTS_QUEUE
    with pytest.raises(Crash):
        await receive(stage, grid_event())
    await stage.restart()
    await stage.settle(40)
    assert len(await job_names(stage)) == 1


async def test_only_a_key_of_the_mapping_opens_it(stage: EventStage) -> None:
    await mapped(stage)
    await mapped(stage, "other")
    receiving, mappings = stage.app.inbound.receiving, stage.app.inbound.mappings
    keys = await mappings.keys("blobs")
    for key in (keys.primary_key, keys.secondary_key):
        assert (await receiving.mapping_by_key("BLOBS", key)).name == "blobs"
    refusals = set()
    for name, key in (
        ("blobs", "wrong"),
        ("other", keys.primary_key),
        ("nobody", keys.primary_key),
        ("no name!", keys.primary_key),
    ):
        with pytest.raises(Unauthenticated) as refusal:
            await receiving.mapping_by_key(name, key)
        refusals.add(refusal.value.message)
    assert len(refusals) == 1, "it does not tell what is there"


async def test_a_template_with_no_such_place_is_refused_with_its_target(stage: EventStage) -> None:
    with pytest.raises(Invalid) as refusal:
        await mapped(stage, endpoint_name="x", job={"tags": {"a": "{{datum.url}}"}})
    assert set(faults(refusal.value)) == {"properties.job.tags.a", "properties.endpointName"}


def event(**data: Any) -> InboundEvent:
    return InboundEvent(id="1", type="t", subject="s", data=data)


def test_fields_are_filled_in_wherever_a_text_has_a_place() -> None:
    told = {"a": ["{{data.x.y}}-{{subject}}", 3, None], "{{id}}": "{{data.yes}}{{data.n}}"}
    assert filled(told, event(x={"y": "z"}, yes=True, n=1.5)) == {
        "a": ["z-s", 3, None],
        "{{id}}": "true1.5",
    }
    assert template_faults(told, "job") == []
    assert filled("a/${{ data.n }}", event(n=1)) == "a/1"


@pytest.mark.parametrize(
    "path", ["", "data", "data.", "job", "data.a b", "__class__", "data.x.__y()"]
)
def test_what_is_no_place_is_a_fault(path: str) -> None:
    assert template_faults({"a": f"x{{{{{path}}}}}"}, "job")


@pytest.mark.parametrize(
    "value",
    ["../up", "a/../b", "a\\..\\b", "%2e%2E/x", "x\n", "x" * 3000, None, ["x"], {"a": 1}, "\u202e"],
)
def test_values_that_could_lead_elsewhere_are_refused(value: Any) -> None:
    for template in ("{{data.v}}", "folder/{{data.v}}"):
        with pytest.raises(Invalid):
            filled(template, event(v=value))


@pytest.mark.parametrize("value", ["/abs", "a?b", "a#b", "a%20b"])
def test_a_part_of_a_path_is_plain(value: str) -> None:
    assert filled("{{data.v}}", event(v=value)) == value
    with pytest.raises(Invalid):
        filled("folder/{{data.v}}", event(v=value))


@pytest.mark.parametrize("text", ["{{" + " " * 2**20, "{{" + " a" * 2**20, "{" * 2**20])
def test_a_text_is_read_once_whatever_it_holds(text: str) -> None:
    """Were it read once for each of its characters, this would take hours."""
    assert template_faults(text, "job") == []
    assert filled(text, event()) == text


def test_what_an_event_fills_in_has_a_limit_over_all_places() -> None:
    places = {"a": "{{data.v}}" * 64, "b": ["{{data.v}}"] * 64}
    assert filled(places, event(v="x" * 2048))["a"] == "x" * 64 * 2048
    with pytest.raises(Invalid, match="over 262144 characters"):
        filled({**places, "c": "{{data.v}}"}, event(v="x" * 2048))


def test_both_schemas_are_read_alike() -> None:
    one, other = read_events([grid_event(), cloud_event()])
    assert (one.type, one.source.rpartition("/")[2], one.value("data.api")) == (
        BLOB,
        "x",
        "PutBlob",
    )
    assert (other.id, other.source, other.value("data.url")) == ("c1", "/orders", DATA_URL)
    assert other.value("data.url.more") is None
    headers = {"ce-specversion": "1.0", "ce-id": "b", "ce-type": "t", "ce-source": "/s"}
    assert read_binary(headers, {"a": 1}).value("data.a") == 1


@pytest.mark.parametrize(
    "body",
    [
        1,
        "x",
        [None],
        {},
        {"id": "1"},
        {"specversion": "0.3", "id": "1", "type": "t"},
        cloud_event(id=""),
        {**cloud_event(), "id": 7},
        cloud_event(type=None),
        cloud_event(subject="a\nb"),
        cloud_event(source="x" * 3000),
    ],
)
def test_what_is_no_event_is_refused(body: Any) -> None:
    with pytest.raises(Invalid):
        read_events(body)


def test_too_many_events_at_once_are_refused() -> None:
    with pytest.raises(TooLarge):
        read_events([cloud_event()] * 1001)
    assert len(read_events([cloud_event()] * 1000)) == 1000


def test_event_grid_s_question_is_known() -> None:
    asked = grid_event(
        eventType="Microsoft.EventGrid.SubscriptionValidationEvent",
        data={"validationCode": "512d38b6", "validationUrl": "https://x.example/"},
    )
    assert validation_code(read_events([asked])) == "512d38b6"
    assert validation_code(read_events([grid_event()])) is None
