"""Rollouts on their way: looked at by the sweep, judged by what all gateways counted.

The endpoint's own document says where its rollout stands. Beside it is an alarm, a document
that falls due for every look; it goes with the rollout's end. So a look that is lost,
doubled or late is harmless, and any host takes it.
"""

import logging
from datetime import datetime

from domain.errors import Conflict, DocumentNotFound, NotFound, refuse
from domain.ground.provisioning_state import ProvisioningState
from domain.ground.resource import Stored, from_document
from domain.ground.stored_sums import StoredSums, Sums, add_up
from domain.online import online_deployment
from domain.online.endpoint_changes import EndpointChanges
from domain.online.online_deployment import OnlineDeployment
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.traffic.rollout import Judgement, Rollout, RolloutState, Verdict
from domain.online.traffic.rollout_changes import LOOK_AFTER, with_rollout
from domain.online.traffic.rollout_judgement import Observed
from domain.online.traffic.traffic import Percentages, traffic_faults
from domain.ports import Clock, Delete, Document, Replace, ResourceStore
from domain.rollout import rollout_tally

_log = logging.getLogger("ml_endpoints.rollout")


class RolloutGuarding:
    def __init__(
        self, store: ResourceStore, clock: Clock, changes: EndpointChanges, sums: StoredSums
    ) -> None:
        self._store = store
        self._clock = clock
        self._changes = changes
        self._sums = sums

    async def resume(self, document: Document) -> None:
        """Look at the rollout whose alarm this is: hold, go on or go back. Raises StaleETag
        if another host was first."""
        try:
            endpoint, parent = await self._changes.read(document.body["endpoint"])
        except NotFound:
            await self._store.transact(document.partition, [Delete(document.id, document.etag)])
            return
        rollout = endpoint.rollout
        over = endpoint.provisioning_state is ProvisioningState.DELETING
        if over or rollout is None or rollout.id != document.body["rollout"] or not rollout.running:
            await self._store.transact(document.partition, [Delete(document.id, document.etag)])
            return
        now = self._clock.now()
        judgement = await self._judged(endpoint.name, rollout, now)
        verdict, why = judgement.verdict, judgement.why
        due_at = (now + LOOK_AFTER).timestamp()
        again = Replace(document.id, document.body, document.etag, due_at=due_at)
        if verdict is Verdict.HOLD:
            await self._store.transact(document.partition, [again])
            return
        rollout = rollout.judged(judgement.compared)
        if verdict is Verdict.GO_ON:
            rollout = rollout.advanced(now)
        else:
            rollout = rollout.over(RolloutState.ROLLED_BACK, why, now)
        beside = again if rollout.running else Delete(document.id, document.etag)
        await self._changes.write(with_rollout(endpoint, rollout, now), parent, [beside])
        if rollout.running:
            _tell_step(endpoint.name, rollout, why)

    async def roll_back(self, name: str, caller: str) -> Stored[OnlineEndpoint]:
        """Go back at once: to the traffic before the running rollout, or before the last
        change of traffic. Raises NotFound, Conflict when there is nothing to go back to (so
        a second call changes nothing), Invalid when it is not possible any more."""
        endpoint, parent = await self._changes.read(name)
        page = await self._store.query(online_deployment.KIND, partition=parent.partition)
        deployments = [from_document(OnlineDeployment, d) for d in page.documents]
        there = [
            d.name for d in deployments if d.provisioning_state is not ProvisioningState.DELETING
        ]

        def back(endpoint: OnlineEndpoint) -> OnlineEndpoint:
            now = self._clock.now()
            rollout = endpoint.rollout
            if endpoint.provisioning_state is ProvisioningState.DELETING:
                raise Conflict(f"Online endpoint '{endpoint.name}' is being deleted.")
            if rollout is not None and rollout.running:
                told = f"{caller} asked for it in step {rollout.step + 1}."
                rollout = rollout.over(RolloutState.ROLLED_BACK, told, now)
                return with_rollout(endpoint, rollout, now).but(modified_by=caller)
            before = endpoint.traffic_before
            if not before:
                raise Conflict(
                    f"Online endpoint '{endpoint.name}' has had no other traffic before.",
                    code="NothingToRollBack",
                )
            refuse(traffic_faults(before, endpoint.properties.mirror_traffic, there))
            return _with_traffic(endpoint, before, now).but(modified_by=caller)

        return await self._changes.change(endpoint.name, back)

    async def _judged(self, endpoint: str, rollout: Rollout, now: datetime) -> Judgement:
        observed: dict[str, Observed] = {}
        for name in rollout.guarded:
            if failed := await self._failed(endpoint, name):
                return Judgement(Verdict.GO_BACK, f"Step {rollout.step + 1}: {failed}", ())
            observed[name] = Observed.of(await self._counted(endpoint, rollout, name))
        together: Sums = {}
        for name in rollout.incumbents:
            add_up(together, await self._counted(endpoint, rollout, name))
        return rollout.judge(now, observed, Observed.of(together))

    async def _counted(self, endpoint: str, rollout: Rollout, name: str) -> Sums:
        counted = rollout_tally.subject(endpoint, rollout.tally, name)
        return await self._sums.read(counted.partition, counted.id)

    async def _failed(self, endpoint: str, name: str) -> str | None:
        partition = rollout_tally.subject(endpoint, "", name).partition
        try:
            found = await self._store.get(partition, online_deployment.document_id(name))
        except DocumentNotFound:
            return f"deployment '{name}' is gone."
        if from_document(OnlineDeployment, found).provisioning_state is ProvisioningState.FAILED:
            return f"deployment '{name}' has failed."
        return None


def _tell_step(endpoint: str, rollout: Rollout, why: str) -> None:
    """Of its end the fact is told."""
    _log.info(
        "Rollout %s of %s is in step %d with %s: %s",
        rollout.id,
        endpoint,
        rollout.step + 1,
        rollout.traffic,
        why,
        extra={
            "action": "rollout_step",
            "endpoint": endpoint,
            "rollout": rollout.id,
            "step": rollout.step,
            "traffic": rollout.traffic,
            "reason": why,
        },
    )


def _with_traffic(endpoint: OnlineEndpoint, traffic: Percentages, now: datetime) -> OnlineEndpoint:
    return endpoint.but(
        properties=endpoint.properties.but(traffic=traffic),
        traffic_before={},
        modified_at=now,
    )
