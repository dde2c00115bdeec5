"""What was used, and what it costs, through the door."""

import csv
import io

from domain.ground.counting.tally import endpoint_subject
from domain.jobs.job_usage import JobUsage
from domain.ledger.price_sheet import MONTH_DAYS
from domain.ports import Create
from domain.ports.records.figure_store import Amounts, Bucket, Series, counted
from tests.handlers.ledger.conftest import DAY, QUERY, Metered

PRICES = "priceSheets/default"


async def ran(metered: Metered) -> None:
    """An hour of blue, half an hour of each of two instances of another endpoint's red."""
    stage = metered.plane.stage
    await stage.register_assets()
    await stage.put_endpoint("iris")
    await stage.put_endpoint("rose")
    tagged = {"instance_type": "Standard_F4s_v2", "tags": {"team": "a"}}
    await stage.put_deployment("blue", "iris", **tagged)
    await stage.put_deployment("red", "rose", instance_type="Standard_DS3_v2")
    await stage.settle()
    metered.runs("online/iris/blue", 3600)
    metered.runs("online/rose/red", 1800, amount=2.0)


async def test_costs_are_what_ran_at_the_prices_of_its_instance_types(metered: Metered) -> None:
    await ran(metered)
    by = [{"type": "Dimension", "name": "Endpoint"}]
    amounts = {"totalCost": {"name": "Cost", "function": "Sum"}}
    assert await metered.query(granularity="Daily", aggregation=amounts, grouping=by) == [
        [0.169, 20260102, "iris", "USD"],
        [0.293, 20260102, "rose", "USD"],
    ]
    assert await metered.query(aggregation=amounts) == [[0.462, "USD"]]


async def test_by_tag_deployment_instance_type_and_meter(metered: Metered) -> None:
    await ran(metered)
    by = [
        {"type": "TagKey", "name": "team"},
        {"name": "Deployment"},
        {"name": "InstanceType"},
        {"name": "meter"},
    ]
    asked = {"q": {"name": "UsageQuantity"}, "c": {"name": "PreTaxCost"}}
    assert await metered.query(aggregation=asked, grouping=by) == [
        [3600.0, 0.293, "", "red", "Standard_DS3_v2", "InstanceSeconds", "USD"],
        [3600.0, 0.169, "a", "blue", "Standard_F4s_v2", "InstanceSeconds", "USD"],
    ]
    only = {"dimensions": {"name": "Endpoint", "operator": "In", "values": ["IRIS"]}}
    other = {"tags": {"name": "team", "operator": "In", "values": ["b"]}}
    assert await metered.query(filter=only) == [[0.169, "USD"]]
    assert await metered.query(filter={"and": [only, other]}) == []
    assert await metered.query(filter={"or": [only, other]}) == [[0.169, "USD"]]


async def test_what_nobody_asked_anything_of_is_told_apart(metered: Metered) -> None:
    await ran(metered)
    stage = metered.plane.stage
    at = int(stage.clock.time) // 86400 * 86400
    subject = endpoint_subject("iris")
    hour = {
        Series(subject, "RequestsPerMinute", ("blue", "200", "200")): counted(9000),
        Series(subject, "RequestLatency", ("blue",)): Amounts(9000, 900_000.0, 100, 100),
        Series(subject, "BytesMoved", ("blue",)): counted(2**30),
    }
    await stage.adapters.figures.put("a", [Bucket(60, at, {}), Bucket(3600, at, hour)])
    asked = {"i": {"name": "IdleCost"}, "q": {"name": "IdleQuantity"}}
    only = {"dimensions": {"name": "Endpoint", "operator": "In", "values": ["iris"]}}
    assert await metered.query(aggregation=asked, filter=only) == [[0.12675, 2700.0, "USD"]]
    by = [{"name": "Meter"}]
    asked = {"q": {"name": "UsageQuantity"}}
    assert await metered.query(aggregation=asked, grouping=by, filter=only) == [
        [float(2**30), "BytesMoved", "USD"],
        [3600.0, "InstanceSeconds", "USD"],
        [9000.0, "Requests", "USD"],
    ]


async def test_what_jobs_have_read_and_written_is_told_by_job_with_its_price(
    metered: Metered,
) -> None:
    store = metered.plane.stage.store
    for day, job, read, written in (
        ("2026-01-02", "one", 2**30, 2**29),
        ("2026-01-02", "two", 2**20, 0),
        ("2026-01-03", "late", 5, 5),
    ):
        usage = JobUsage(
            day=day, endpoint="scores", deployment="blue", job=job, read=read, written=written
        )
        await store.transact(f"job/{job}", [Create("usage:1", usage.to_body())])
    client = metered.plane.client()
    prices = {"currency": "EUR", "gibMoved": 0.1}
    assert (await client.put("priceSheets/default", {"properties": prices})).status_code == 201
    by = [{"name": "Job"}, {"name": "Meter"}]
    asked = {"q": {"name": "UsageQuantity"}, "c": {"name": "Cost"}}
    rows = await metered.query("reader/batchEndpoints/scores", aggregation=asked, grouping=by)
    assert rows == [
        [float(2**30), 0.1, "one", "BytesRead", "EUR"],
        [float(2**29), 0.05, "one", "BytesWritten", "EUR"],
        [float(2**20), 9.766e-05, "two", "BytesRead", "EUR"],
    ]
    assert await metered.query("reader/batchEndpoints/other", grouping=by) == []


async def test_what_is_stored_is_told_by_day_with_its_price(metered: Metered) -> None:
    await ran(metered)
    stage = metered.plane.stage
    await stage.blobs.write("workspaceblobstore", "modelDataCollector/iris/blue/r/1", b"x" * 2**20)
    assert await stage.application.ledger.stored.count()
    stage.clock.move(86400)
    client = metered.plane.client()
    prices = {"currency": "EUR", "gibStoredPerMonth": MONTH_DAYS * 1024}
    assert (await client.put(PRICES, {"properties": prices})).status_code == 201
    body = {"timeframe": "Custom", "timePeriod": {"from": "2026-01-02", "to": "2026-01-04"}}
    dataset = {
        "aggregation": {"q": {"name": "UsageQuantity"}, "c": {"name": "Cost"}},
        "grouping": [{"name": "Endpoint"}, {"name": "Deployment"}, {"name": "Meter"}],
        "filter": {"dimensions": {"name": "Meter", "operator": "In", "values": ["BytesStored"]}},
    }

    async def rows(granularity: str) -> list[list[object]]:
        asked = {**body, "dataset": {**dataset, "granularity": granularity}}
        reply = await client.post(QUERY, asked)
        return [
            [row[0], row[1], *row[2:-1]]
            for row in reply.json()["properties"]["rows"]
            if row[-3] == "blue"
        ]

    # The one byte of code that two deployments run is half of each.
    size = float(2**20)
    assert await rows("Daily") == [
        [size, 1.0, day, "iris", "blue", "BytesStored"] for day in (20260102, 20260103)
    ]
    [[quantity, cost, *_]] = await rows("None")
    assert (quantity, cost) == (2 * size, 2.0)


async def test_everybody_sees_the_costs_of_what_is_his_to_read(metered: Metered) -> None:
    await ran(metered)
    for role, rows in (
        ("reader", [[0.462, "USD"]]),
        ("reader/onlineEndpoints/iris", [[0.169, "USD"]]),
        ("reader/batchEndpoints/scores", []),
        ("scorer", []),
    ):
        assert await metered.query(role) == rows, role
    assert (await metered.plane.client(None).post(QUERY, DAY)).status_code == 401


async def test_costs_come_as_csv_in_which_no_tag_is_a_formula(metered: Metered) -> None:
    stage = metered.plane.stage
    await stage.register_assets()
    await stage.put_endpoint("iris")
    await stage.put_deployment("blue", instance_type="Standard_F4s_v2", tags={"team": "=1+1"})
    await stage.settle()
    metered.runs("online/iris/blue", 3600)
    body = {
        **DAY,
        "dataset": {"granularity": "Daily", "grouping": [{"type": "Tag", "name": "team"}]},
    }
    client = metered.plane.client()
    reply = await client.http.post(client.url(QUERY), json=body, headers={"Accept": "text/csv"})
    assert reply.headers["content-type"].startswith("text/csv")
    assert list(csv.reader(io.StringIO(reply.text))) == [
        ["Cost", "UsageDate", "team", "Currency"],
        ["0.169", "2026-01-02", "'=1+1", "USD"],
    ]


async def test_prices_are_a_sample_until_somebody_sets_them(metered: Metered) -> None:
    await ran(metered)
    client = metered.plane.client()
    shown = (await client.get(PRICES)).json()["properties"]
    assert (shown["isSample"], shown["asOf"], shown["currency"]) == (True, "2025-06-30", "USD")
    own = {"currency": "EUR", "instanceTypes": {"standard_f4s_v2": 1}, "machinePerHour": None}
    made = await client.put(PRICES, {"properties": own})
    assert (made.status_code, made.json()["properties"]["isSample"]) == (201, False)
    reply = await client.post(QUERY, DAY)
    found = reply.json()["properties"]
    assert found["rows"] == [[1.0, "EUR"]]
    assert found["unpricedInstanceTypes"] == ["Standard_DS3_v2"]
    assert (await client.put(PRICES, {"properties": {"currency": "euros"}})).status_code == 400
    assert (await client.delete(PRICES)).status_code == 200
    assert (await client.delete(PRICES)).status_code == 204
    assert await metered.query() == [[0.462, "USD"]]


async def test_on_a_machine_of_ones_own_an_instance_costs_its_part_of_it(metered: Metered) -> None:
    await ran(metered)
    client = metered.plane.client()
    await client.put(PRICES, {"properties": {"machinePerHour": 0.5}})
    reply = await client.get("costEstimate?instanceType=Standard_DS3_v2&instanceCount=2")
    found = reply.json()["properties"]
    assert (found["perHour"], found["perDay"]) == (0.5, 12.0)


async def test_what_a_deployment_costs_a_day_is_told_before_anything_is_changed(
    metered: Metered,
) -> None:
    await ran(metered)
    client = metered.plane.client()
    path = "onlineEndpoints/iris/deployments/blue/costEstimate"
    found = (await client.get(path)).json()["properties"]
    assert (found["instanceType"], found["instanceCount"]) == ("Standard_F4s_v2", 1)
    assert (found["perHour"], found["perDay"], found["perMonth"]) == (0.169, 4.056, 123.37)
    assert found["prices"]["isSample"] is True
    more = await client.get(f"{path}?instanceType=Standard_DS3_v2&instanceCount=3")
    assert more.json()["properties"]["perDay"] == 21.096
    for wrong in ("instanceCount=many", "instanceType=Standard_Z"):
        assert (await client.get(f"{path}?{wrong}")).status_code == 400


async def test_every_fault_of_a_query_is_told_at_once(metered: Metered) -> None:
    body = {
        "timeframe": "Custom",
        "dataset": {
            "aggregation": {"x": {"name": "Weight"}},
            "grouping": [{"name": "Colour"}],
            "filter": {"and": [], "tags": {"name": "a", "values": []}},
        },
    }
    reply = await metered.plane.client().post(QUERY, body)
    assert reply.status_code == 400
    targets = {each["target"] for each in reply.json()["error"]["details"]}
    assert targets == {
        "timePeriod",
        "dataset.aggregation.x",
        "dataset.grouping",
        "dataset.filter",
    }
