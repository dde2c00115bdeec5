"""What the scoring path asks for where a deployment has no instance."""

from abc import abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.scoring.online_routing import DeploymentRoute


class Awakening(Protocol):
    """Has a deployment up that sleeps, or that is being restored."""

    @abstractmethod
    def turn(self, endpoint: str, deployment: DeploymentRoute) -> AbstractAsyncContextManager[None]:
        """Entered once the deployment is up, or it is certain that nothing comes up now, and
        it is this request's turn. Raises Refused when that takes too long, too many wait
        already, or it will not come."""
