"""What tests of the batch path stand on: the embedded adapters in a folder, a pump that
delivers their messages by a moved clock, and workers that run Python functions in process.

A `Mischief` doubles, reorders, delays and loses messages, and ends the "host" at a random call
of a port: from then on every call fails, all is thrown away, and built anew from the disk.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from domain.application import Application
from domain.assets.asset import (
    CODES,
    ENVIRONMENTS,
    CodeVersionProperties,
    EnvironmentVersionProperties,
)
from domain.assets.code_configuration import CodeConfiguration
from domain.batch.activities import BatchActivities
from domain.batch.batch_deployment import BatchDeploymentProperties
from domain.batch.batch_endpoint import BatchEndpointDefaults, BatchEndpointProperties
from domain.ground.access import trusted
from domain.ground.messages import (
    BATCH_JOBS_QUEUE,
    BLOB_DROPS_QUEUE,
    MINI_BATCHES_QUEUE,
    PROVISIONING_QUEUE,
    SCHEDULES_QUEUE,
)
from domain.ground.resource import Conditions, Wanted
from domain.jobs.batch_jobs import BatchJobs, JobView
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records import batch_job
from domain.jobs.records.job_request import JobProperties, RequestedInput
from domain.jobs.records.job_times import JobTimes
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.jobs.units.unit_recording import UnitRecording
from domain.ports import (
    Document,
    WebFiles,
)
from domain.schedules.schedules import Schedules
from infra.composition.adapters import Adapters
from infra.composition.units import compose_units
from infra.embedded.blobs.file_blob_store import FileBlobStore
from infra.embedded.database.sqlite_resource_store import SqliteResourceStore
from infra.embedded.database.sqlite_work_queue import SqliteWorkQueue
from infra.rules.queue_consumer import Received
from infra.settings.features import DropSettings
from infra.web.outbound import OutboundAddresses
from infra.web.public_web_files import PublicWebFiles
from tests.kit.clocks import HeldClock
from tests.kit.composed import ToldRoom, adapters, composed, held_figures
from tests.kit.computes import AnyCapabilities, ToldCompute
from tests.kit.job_ground import job_ground
from tests.kit.mischief import Crash, Mischief, Mortal
from tests.kit.pumping_host import MAX_DELIVERY, PumpingHost
from tests.kit.scorers import ScriptedScorer
from tests.kit.script_workers import SLOW, FunctionWorkers, Script, line_counts
from tests.kit.waiting import PATIENCE

BASE_URL = "https://example.test:7443"
ENDPOINT = "irises"
STORE = "workspaceblobstore"
QUEUES = (
    PROVISIONING_QUEUE,
    BATCH_JOBS_QUEUE,
    MINI_BATCHES_QUEUE,
    BLOB_DROPS_QUEUE,
    SCHEDULES_QUEUE,
)
LOCK = timedelta(minutes=5)
SETTLING = ("complete", "abandon", "dead_letter")


_SOON = 86400.0


class BatchStage:
    """A host of the batch path. `live` again after a crash, at `base_url`. `seconds`: what its
    scripts say that they take. What a function raises, but for the end of its host, is raised."""

    queues: tuple[str, ...] = QUEUES
    """Those that are pumped."""

    def __init__(
        self,
        folder: Path,
        *,
        script: Script = line_counts,
        mischief: Mischief | None = None,
        times: JobTimes | None = None,
        drops: DropSettings | None = None,
        most_units: int = 40_000,
        at_once: int = 4,
        web: WebFiles | None = None,
        seconds: float = SLOW,
    ) -> None:
        self.folder = folder
        self.base_url = BASE_URL
        self.clock = HeldClock()
        self.mischief = mischief or Mischief()
        self.script = script
        self.room = ToldRoom()
        self.started: list[str] = []
        self.crashes = 0
        self._seconds = seconds
        # Quick units are bundled from the first one on: jobs here are small.
        self.times = replace(times or JobTimes(), bundle_parts=1, most_units=most_units)
        self._drops = drops or DropSettings()
        self._at_once = at_once
        self.web = web or PublicWebFiles(OutboundAddresses(()), max_bytes=2**20, max_time=PATIENCE)

    async def __aenter__(self) -> Self:
        await self.live()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def live(self) -> None:
        self.mischief.dead = False
        self.store = SqliteResourceStore(self.folder / "documents.db", now=self.clock.unix)
        self.queue = SqliteWorkQueue(
            self.folder / "queues.db", max_delivery_count=MAX_DELIVERY, now=self.clock.unix
        )
        self.blobs = FileBlobStore(
            self.folder, base_url=self.base_url, key=lambda: b"k" * 32, now=self.clock.now
        )
        self.workers = FunctionWorkers(self.script, self.mischief, self.started, self._seconds)
        await self.queue.release_locks()
        drops = self._drops.model_dump()
        self.application = composed(
            self.adapters(),
            self.times,
            base_url=self.base_url,
            **{f"drop_{name}": limit for name, limit in drops.items()},
        )
        self._drive(self.application)

    def adapters(self) -> Adapters:
        """What the application stands on: ports of a host that may end at any call."""
        ports: list[Any] = [self.store, self.queue, self.blobs]
        store, queue, blobs = (Mortal(port, self.mischief) for port in ports)
        return adapters(
            store,
            queue,
            blobs,
            self.clock,
            capabilities=Mortal(AnyCapabilities(), self.mischief),
            serving=ToldCompute(),
            scorer=ScriptedScorer(),
            workers=Mortal(self.workers, self.mischief),
            web=self.web,
            room=self.room,
            # Kept at a host's end, however it came.
            figures=held_figures(self.store),
        )

    def _drive(self, application: Application) -> None:
        consumer: Any = Mortal(self.queue, self.mischief, SETTLING)
        self.host = PumpingHost(application, consumer, self.clock)

    def score_by(self, units: UnitDelivery) -> None:
        """Until a crash, in place of the application's own."""
        jobs = replace(self.application.jobs, units=units)
        self._drive(replace(self.application, jobs=jobs))

    @property
    def jobs(self) -> BatchJobs:
        return self.application.jobs.collection

    @property
    def invocation(self) -> JobInvocation:
        return self.application.jobs.invocation

    @property
    def schedules(self) -> Schedules:
        return self.application.schedules.collection

    @property
    def batch(self) -> BatchActivities:
        return self.application.batch

    def units_on(self, **ports: Any) -> UnitDelivery:
        """A host beside the stage's own, on the same stores, or on `ports` in their place."""
        names = ("store", "queue", "blobs", "workers")
        given = {name: getattr(self, name) for name in names}
        given = {**given, "job_workers": self.application.jobs.workers, **ports}
        jobs = job_ground(given["store"], given["queue"], given["blobs"], self.clock, self.times)
        return compose_units(
            jobs,
            given["workers"],
            job_workers=given["job_workers"],
            recording=UnitRecording(jobs),
        )

    async def die(self) -> None:
        await self.application.close()
        await self.queue.close()
        await self.store.close()
        await self.blobs.close()

    async def crash(self) -> None:
        """End, and live again from what is on the disk."""
        self.crashes += 1
        await self.die()
        await self.live()

    # -- setting up ---------------------------------------------------------------------

    async def deploy(self, **settings: Any) -> None:
        """An endpoint whose default deployment has `settings`."""
        await self.put_endpoint()
        await self.assets_and_deployment(**settings)

    async def assets_and_deployment(self, **settings: Any) -> None:
        await self.blobs.write(STORE, "code/score.py", b"def run(mini_batch): ...\n")
        code = CodeVersionProperties(code_uri=f"azureml://datastores/{STORE}/paths/code")
        environment = EnvironmentVersionProperties(conda_file="dependencies: [python]")
        anything, assets = Conditions(), self.application.assets.registration
        await assets.put_version(CODES, "code", "1", code, "me", anything)
        await assets.put_version(ENVIRONMENTS, "env", "1", environment, "me", anything)
        await self.batch.provisioning.put_deployment(
            ENDPOINT,
            "blue",
            Wanted[BatchDeploymentProperties](
                properties=BatchDeploymentProperties(
                    code_configuration=CodeConfiguration(
                        code_id="azureml:code:1", scoring_script="score.py"
                    ),
                    environment_id="azureml:env:1",
                    **settings,
                )
            ),
            trusted("me"),
            anything,
        )
        await self._provisioned()
        await self.put_endpoint("blue")
        await self._provisioned()

    async def _provisioned(self) -> None:
        """Ten seconds, in which what was wished comes about."""
        ends = self.clock.time + 10
        while self.clock.time < ends:
            await self.host.turn([PROVISIONING_QUEUE])
            if self.host.failures:
                raise self.host.failures.pop()
            counts = await self.queue.counts(PROVISIONING_QUEUE)
            left = counts.active + counts.waiting
            self.clock.time = self.clock.time + 0.1 if left else ends

    async def put_endpoint(self, default: str | None = None) -> None:
        properties = BatchEndpointProperties(
            defaults=BatchEndpointDefaults(deployment_name=default)
        )
        wanted = Wanted[BatchEndpointProperties](properties=properties)
        await self.batch.provisioning.put_endpoint(ENDPOINT, wanted, trusted("me"), Conditions())

    async def upload(self, files: Mapping[str, str], folder: str = "data") -> None:
        for name, content in files.items():
            await self.blobs.write(STORE, f"{folder}/{name}", content.encode())

    async def invoke(self, folder: str = "data", **overrides: Any) -> str:
        """The name of a job over `folder`."""
        invoked = await self.invocation.invoke(
            ENDPOINT, over(folder, **overrides), caller=trusted("me"), key=overrides.get("name")
        )
        return invoked.job.name

    # -- running ------------------------------------------------------------------------

    async def pump(self, until: Callable[[], bool] = lambda: False, rounds: int = 20_000) -> None:
        """Deliver messages and sweep until nothing is left to do soon, time moved as needed."""
        idle_since = None
        for _ in range(rounds):
            if until():
                return
            received = await self.host.receive(self.queues, self._at_once)
            if received:
                idle_since = None
                await self._deliver(received)
                continue
            if idle_since is None:
                idle_since = self.clock.time
            due = await self.store.due(self.clock.time + _SOON, limit=1)
            if not due and not await self._is_waiting():
                return
            self.clock.time += 0.5 if self.clock.time - idle_since < 5 else 5.0
            if self.clock.time % 10 < 0.5 or self.clock.time - idle_since > 5:
                await self._alone(self.host.run("sweep"))
        raise AssertionError(f"not done after {rounds} rounds")

    async def _is_waiting(self) -> bool:
        counts = [await self.queue.counts(queue) for queue in self.queues]
        return any(c.active or c.waiting for c in counts)

    async def _alone(self, work: Any) -> None:
        with contextlib.suppress(Crash):
            await work
        if self.mischief.dead:
            await self.crash()

    async def _deliver(self, received: list[Received]) -> None:
        mischief, rng = self.mischief, self.mischief.rng
        rng.shuffle(received)
        now: list[Received] = []
        for message in received:
            if rng.random() < mischief.lose:
                await self.queue.complete(message.lock_token)
            elif rng.random() < mischief.delay:
                await self.queue.abandon(message.lock_token, timedelta(seconds=rng.uniform(0, 60)))
            else:
                now.append(message)
                if rng.random() < mischief.double:
                    now.append(message)
        outcomes = await asyncio.gather(*(self.deliver(m) for m in now), return_exceptions=True)
        met = [outcome for outcome in outcomes if outcome is not None] + self.host.failures
        self.host.failures.clear()
        for each in met:
            if not isinstance(each, Crash):
                raise each
        if mischief.dead:
            await self.crash()

    async def deliver(self, message: Received) -> None:
        """To the function that its queue triggers."""
        await self.host.deliver(message)

    # -- looking ------------------------------------------------------------------------

    async def view(self, job: str) -> JobView:
        with self.mischief.asleep():
            return await self.jobs.get(job)

    def output(self, view: JobView, path: str | None = None) -> bytes:
        output = view.job.output
        return (self.folder / "blobs" / output.container / (path or output.path)).read_bytes()

    def has(self, view: JobView, path: str) -> bool:
        return (self.folder / "blobs" / view.job.output.container / path).exists()

    async def units(self, job: str) -> list[Document]:
        page = await self.store.query(
            "batchUnit", partition=batch_job.partition(job), page_size=1000
        )
        return list(page.documents)


def over(folder: str, **overrides: Any) -> JobProperties:
    uri = f"azureml://datastores/{STORE}/paths/{folder}"
    return JobProperties(
        input_data={"data": RequestedInput(job_input_type="UriFolder", uri=uri)}, **overrides
    )
