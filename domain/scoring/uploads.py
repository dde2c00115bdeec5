"""How many large bodies are on their way to a deployment at once.

An instance takes a body whole before its turn comes, so slow clients and huge bodies hold
connections and memory there, not turns. Bounded, they cannot keep small requests out.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.scoring import scoring_refusals as refusals
from domain.scoring.instance_choice import InstanceChoice
from domain.scoring.route import DeploymentRoute

FEWEST = 8


class Uploads:
    """One gateway's count."""

    def __init__(self, instances: InstanceChoice) -> None:
        self._instances = instances
        self._there: dict[str, int] = {}

    @contextmanager
    def place(self, deployment: DeploymentRoute) -> Iterator[None]:
        """Held until the answer begins. Raises Refused when there is none: twice as many as
        the instances take at once, but FEWEST at least."""
        key = deployment.workload_key
        there = self._there.get(key, 0)
        processes = self._instances.processes(deployment) or deployment.workers
        most = max(FEWEST, 2 * deployment.max_concurrent * processes // deployment.workers)
        if there >= most:
            raise refusals.too_many_uploads(deployment.name, most)
        self._there[key] = there + 1
        try:
            yield
        finally:
            self._there[key] -= 1
            if not self._there[key]:
                del self._there[key]
