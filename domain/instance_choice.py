"""Which instance of a deployment takes the next request."""

from domain.online_routing import DeploymentRoute
from domain.ports import Compute, Instance


class InstanceChoice:
    """Chooses the instance with the fewest requests under way as this gateway sees it; of
    equals, each in turn. How many an instance takes is its own to say."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self._under_way: dict[str, int] = {}

    def choose(
        self, deployment: DeploymentRoute, besides: Instance | None = None
    ) -> Instance | None:
        """None when no instance (but `besides`) takes requests."""
        instances = self._compute.instances(deployment.workload_key)
        if besides is not None:
            instances = [i for i in instances if i.address != besides.address]
        count = len(instances)
        if count < 2:
            return instances[0] if count else None
        first = deployment.turn = (deployment.turn + 1) % count
        under_way = self._under_way
        best = instances[first]
        fewest = under_way.get(best.address, 0)
        for offset in range(1, count):
            if not fewest:
                break
            other = instances[(first + offset) % count]
            load = under_way.get(other.address, 0)
            if load < fewest:
                best, fewest = other, load
        return best

    def enter(self, instance: Instance) -> None:
        address = instance.address
        self._under_way[address] = self._under_way.get(address, 0) + 1

    def leave(self, instance: Instance) -> None:
        """Entries go with the last request, so what is kept is bounded by what runs."""
        left = self._under_way[instance.address] - 1
        if left:
            self._under_way[instance.address] = left
        else:
            del self._under_way[instance.address]

    def in_flight(self, deployment: DeploymentRoute) -> tuple[int, int]:
        """Requests under way to a deployment's instances from this gateway, and how many
        instances those are."""
        instances = self._compute.instances(deployment.workload_key)
        return sum(self._under_way.get(i.address, 0) for i in instances), len(instances)
