"""The things that docs/costs.md has figures of, each scenario on a fresh stage."""

from collections.abc import Mapping

from domain.ground.messages import EVENTS_QUEUE, MINI_BATCHES_QUEUE
from domain.jobs.records.job_times import JobTimes
from infra.compute.local.instances.life_meter import Payer
from tests.infra.cloud.costs.cost_figures import Figures
from tests.infra.cloud.costs.cost_stage import ARRIVAL, Bill, CostStage
from tests.kit.stages.gateway_stage import PRIMARY

Costs = Mapping[str, Figures]
FEW = "among few: "
"""Figures that are to be as they are among many, and that no table shows."""


async def online(stage: CostStage) -> Costs:
    costs: dict[str, Figures] = {}
    await stage.register_assets()

    async def score(requests: int = 1) -> Figures:
        bill = Bill()
        with stage.billed(bill):
            for _ in range(requests):
                reply = await stage.gateway.score()
                assert reply.status_code == 200, reply.text
        return Figures.of(bill)

    put = await stage.arm("PUT", "onlineEndpoints/iris", {"keys": {"primaryKey": PRIMARY}})
    costs["PUT of an online endpoint"] = Figures.of(put)
    costs["PUT of an online deployment"] = Figures.of(await stage.put_deployment("blue"))
    await stage.put_deployment("green")
    traffic = {"traffic": {"blue": 90, "green": 10}}
    patch = await stage.arm("PATCH", "onlineEndpoints/iris", traffic)
    costs["PATCH of an endpoint's traffic"] = Figures.of(patch)
    told = await stage.arm("POST", "onlineEndpoints/iris/listKeys", {})
    costs["read of an endpoint's keys"] = Figures.of(told)
    costs["first request to a host, which reads the route"] = await score()
    costs["online request"] = await score(20)
    stage.clock.move(3)
    costs["route in use, read anew each second"] = await score()
    costs["figures of a gateway, every minute in use"] = await _minute(stage)
    costs["time that a deployment runs, every 5 s"] = await _running(stage)
    costs["what two deployments have stored, every 6 hours"] = await _stored(stage)
    return costs


async def _minute(stage: CostStage) -> Figures:
    """Any but the first of an hour, with one deployment in use."""
    bill = Bill()
    for seconds in (0, 60):
        stage.clock.move(seconds)
        await stage.gateway.score()
        with stage.billed(bill if seconds else Bill()):
            await stage.application.figures.gathering.flush()
    return Figures.of(bill)


async def _running(stage: CostStage) -> Figures:
    """Any count but the first of a day."""
    counting, bill = stage.application.ledger.counting, Bill()
    assert counting is not None
    life = stage.meter.begin(Payer(lambda: "online/iris/blue"))
    for piece in (Bill(), bill):
        stage.clock.move(5)
        with stage.billed(piece):
            await counting.count()
    life.end()
    return Figures.of(bill)


async def _stored(stage: CostStage) -> Figures:
    """The second count of a day: nothing has changed."""
    bill = Bill()
    for piece in (Bill(), bill):
        with stage.billed(piece):
            assert await stage.application.ledger.stored.count()
        stage.clock.move(6 * 3600)
    return Figures.of(bill)


async def mirroring(stage: CostStage) -> Costs:
    """A period's counts, stored after few requests and after many."""
    await stage.register_assets()
    await stage.arm("PUT", "onlineEndpoints/iris", {"keys": {"primaryKey": PRIMARY}})
    for name in ("blue", "green"):
        await stage.put_deployment(name)
    mirror = {"traffic": {"blue": 100}, "mirrorTraffic": {"green": 50}}
    await stage.arm("PATCH", "onlineEndpoints/iris", mirror)

    async def period(requests: int) -> Figures:
        bill = Bill()
        with stage.billed(bill):
            for _ in range(requests):
                reply = await stage.gateway.score()
                assert reply.status_code == 200, reply.text
            await stage.gateway.store_counts()
        return Figures.of(bill)

    await period(30)
    few, many = await period(30), await period(90)
    return {"counts of mirrored requests, every 5 s": many, FEW + "mirrored requests": few}


async def idle(stage: CostStage) -> Costs:
    await stage.register_assets()
    await stage.arm("PUT", "onlineEndpoints/iris", {})
    application = stage.application

    async def restore() -> Figures:
        bill = Bill()
        with stage.billed(bill):
            await application.online.restorer.restore()
            await application.batch.restorer.restore()
        return Figures.of(bill)

    bill = Bill()
    with stage.billed(bill):
        await application.sweeping.sweep()
    none = await restore()
    for number in range(4):
        await stage.put_deployment(f"blue-{number}")
    each = none.each(await restore(), 4, Bill())
    return {
        "sweep that finds nothing, every 10 s": Figures.of(bill),
        "look for lost deployments, every minute": none,
        "... and for each deployment there is": each,
    }


async def batch(stage: CostStage) -> Costs:
    """The first job makes a container, and is no measure."""
    await stage.register_assets()
    await stage.batch_endpoint(mini_batch_size=1)
    await stage.job(1)
    bills = [await stage.job(files) for files in (3, 6, 24)]
    few, some, many = map(Figures.of, bills)
    small = few.each(some, 3, bills[1].only(MINI_BATCHES_QUEUE))
    large = some.each(many, 18, bills[2].only(MINI_BATCHES_QUEUE))
    return {
        "mini-batch": large,
        FEW + "mini-batches": small,
        "batch job, apart from its mini-batches": many.without(large, 24),
        "look at a running job, every 3 s": Figures.of(await stage.look_at_job()),
    }


async def large_units(stage: CostStage) -> Costs:
    """As in a job of more than 40,000 mini-batches: four in a unit."""
    await stage.register_assets()
    await stage.batch_endpoint(mini_batch_size=1)
    await stage.job(1)
    bills = []
    for units in (2, 6):
        await stage.go_by(JobTimes(most_units=units))
        bills.append(await stage.job(4 * units))
    few, many = map(Figures.of, bills)
    part = bills[1].only(MINI_BATCHES_QUEUE)
    return {"unit of four mini-batches": few.each(many, 4, part)}


async def quick_units(stage: CostStage) -> Costs:
    """Of a script that takes no time, in full bundles: both jobs begin and end with smaller ones
    alike, and sooner than is usual."""
    await stage.register_assets()
    await stage.batch_endpoint(mini_batch_size=1)
    stage.worker.seconds = 0.0
    # However slow the loopback servers are, no bundle is made smaller for it.
    await stage.go_by(JobTimes(bundle_limit=600, bundle_parts=1))
    await stage.job(1)
    few, many = [await stage.job(files) for files in (96, 160)]
    part = many.only(MINI_BATCHES_QUEUE)
    each = Figures.of(few).each(Figures.of(many), 4, part)
    return {"bundle of sixteen quick mini-batches": each}


async def drops(stage: CostStage) -> Costs:
    """The first drop makes a container, and is no measure."""
    await stage.register_assets()
    await stage.batch_endpoint(mini_batch_size=1)
    await stage.drop(1)
    bills = [await stage.drop(files) for files in (4, 8, 24)]
    few, some, many = map(Figures.of, bills)
    small = few.each(some, 4, bills[1].only(ARRIVAL))
    large = some.each(many, 16, bills[2].only(ARRIVAL))
    alone = [await stage.drop(files, apart=1.0) for files in (4, 8)]
    one, other = map(Figures.of, alone)
    return {
        "file dropped among others": large,
        FEW + "dropped files": small,
        "file dropped by itself": one.each(other, 4, alone[1].only(ARRIVAL)),
        "drop with its job's invocation, apart from its files": many.without(large, 24),
    }


async def events(stage: CostStage) -> Costs:
    """An endpoint is made: told to nobody, then to one, whose courier is there already."""
    await stage.register_assets()
    bills = [await stage.arm("PUT", "onlineEndpoints/iris-0", {})]
    await stage.subscribe()
    for number in (1, 2):
        stage.clock.move(3)
        bills.append(await stage.arm("PUT", f"onlineEndpoints/iris-{number}", {}))
    none, _, one = map(Figures.of, bills)
    return {"event for one subscription": none.each(one, 1, bills[2].only(EVENTS_QUEUE))}


SCENARIOS = (online, mirroring, idle, batch, large_units, quick_units, drops, events)
