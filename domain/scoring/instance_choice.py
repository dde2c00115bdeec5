"""Which instance of a deployment takes the next request."""

from collections.abc import Sequence

from domain.ports import Instance, Serving
from domain.scoring.outliers import Outliers
from domain.scoring.route import DeploymentRoute


class InstanceChoice:
    """Chooses the instance with the fewest requests under way as this gateway sees it; of
    equals, each in turn; outliers only where there is no other. How many an instance takes
    is its own to say."""

    def __init__(self, serving: Serving, outliers: Outliers) -> None:
        self._serving = serving
        self._outliers = outliers
        self._under_way: dict[str, int] = {}

    def choose(
        self, deployment: DeploymentRoute, besides: Instance | None = None
    ) -> Instance | None:
        """None when no instance (but `besides`) takes requests."""
        instances = self._serving.instances(deployment.workload_key)
        if besides is not None:
            instances = [i for i in instances if i.id != besides.id]
        if self._outliers.any:
            instances = self._outliers.without(instances)
        count = len(instances)
        if count < 2:
            return instances[0] if count else None
        first = deployment.turn = (deployment.turn + 1) % count
        under_way = self._under_way
        best = instances[first]
        fewest = under_way.get(best.id, 0)
        for offset in range(1, count):
            if not fewest:
                break
            other = instances[(first + offset) % count]
            load = under_way.get(other.id, 0)
            if load < fewest:
                best, fewest = other, load
        return best

    def any(self, deployment: DeploymentRoute) -> bool:
        return bool(self._serving.instances(deployment.workload_key))

    def processes(self, deployment: DeploymentRoute) -> int:
        """How many take requests: each instance is as many as the deployment has workers."""
        return sum(each.workers for each in self._serving.instances(deployment.workload_key))

    @property
    def under_way(self) -> int:
        """Requests that this gateway has under way, to all instances there are."""
        return sum(self._under_way.values())

    def enter(self, instance: Instance) -> None:
        id = instance.id
        self._under_way[id] = self._under_way.get(id, 0) + 1

    def leave(self, instance: Instance) -> None:
        """Entries go with the last request, so what is kept is bounded by what runs."""
        left = self._under_way[instance.id] - 1
        if left:
            self._under_way[instance.id] = left
        else:
            del self._under_way[instance.id]

    def answered(
        self, deployment: DeploymentRoute, instance: Instance, status: int, seconds: float
    ) -> None:
        """How an instance did, for the next choices. A refusal for overload is no failure."""
        if status != 429:
            self._outliers.note(instance, self._peers(deployment), seconds, failed=status >= 500)

    def failed(self, deployment: DeploymentRoute, instance: Instance) -> None:
        """It gave no answer, or broke one off."""
        self._outliers.note(instance, self._peers(deployment), None, failed=True)

    def _peers(self, deployment: DeploymentRoute) -> Sequence[Instance]:
        return self._serving.instances(deployment.workload_key)

    def in_flight(self, deployment: DeploymentRoute) -> tuple[int, int]:
        """Requests under way to a deployment's instances from this gateway, and how many
        instances those are."""
        instances = self._serving.instances(deployment.workload_key)
        under_way = sum(self._under_way.get(i.id, 0) for i in instances)
        return under_way, -(-sum(each.workers for each in instances) // deployment.workers)
