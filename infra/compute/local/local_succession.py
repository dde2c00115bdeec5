"""Two hosts whose models run on this machine, one after the other."""

from collections.abc import Sequence

from domain.ports import WorkloadState
from infra.compute.local.premises import Premises
from infra.compute.local.serving.local_serving import LocalServing
from infra.compute.local.workers.local_workers import LocalWorkers
from infra.compute.succession import DoesNotComeUp, Instances, Succession


class LocalSuccession(Succession):
    """Either host's instances are reached by their Unix sockets, and die with the host that
    started them."""

    def __init__(self, premises: Premises, serving: LocalServing, workers: LocalWorkers) -> None:
        self._premises = premises
        self._serving = serving
        self._workers = workers

    async def hand_over(self) -> None:
        self._premises.shared = True
        await self._workers.give_back()
        await self._serving.be_followed()
        await self._premises.let_another_enter()

    def take_back(self) -> None:
        self._premises.enter_again()
        self._serving.use({})
        self._serving.be_followed_no_more()

    def begin_beside(self, expected: Sequence[str]) -> None:
        self._premises.shared = True
        self._serving.expected.update(expected)

    async def lacking(self) -> Sequence[str]:
        lacking, own = [], self._serving.own()
        for key in sorted(self._serving.expected - own.keys()):
            seen = await self._serving.observe(key)
            if seen is None or seen.state not in (WorkloadState.FAILED, WorkloadState.READY):
                lacking.append(key)
            elif seen.state is WorkloadState.FAILED and not seen.serving:
                raise DoesNotComeUp(f"{key} does not come up: {seen.reason}")
        return lacking

    def is_alone(self) -> None:
        self._premises.shared = False
        self._serving.expected.clear()
        self._serving.use({})

    def own(self) -> Instances:
        return self._serving.own()

    def use(self, others: Instances) -> None:
        self._serving.use(others)
