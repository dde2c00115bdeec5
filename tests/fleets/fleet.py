"""What the same tests run on: where the instances of the hosts they start are."""

import random
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from outside.running_host import Launch, RunningHost
from tests.kit.hosts.forking import forked


class Fleet(Protocol):
    """One kind of place for instances. `name` is what `FLEET` chooses it by."""

    name: str
    restart: Callable[[], None] | None = None
    """Ends the platform itself and begins it again; None where it is not the tests' own."""

    @abstractmethod
    def settings(self, told: Mapping[str, str], meeting: Path) -> dict[str, str]:
        """What a host has to be told, over what its test tells it, to have its instances here,
        whose scripts see the folder `meeting` and may write to it."""

    @abstractmethod
    def instances(self, host: RunningHost, deployment: str) -> set[str]:
        """The instances that there are of a deployment, `endpoint/deployment`."""

    @abstractmethod
    def scripts(self, host: RunningHost, deployment: str) -> set[str]:
        """The processes that run the script of a deployment."""

    @abstractmethod
    def workers(self, host: RunningHost) -> set[str]:
        """The processes that run mini-batches."""

    @abstractmethod
    def strike(self, host: RunningHost, doing: str, rng: random.Random) -> str | None:
        """Do to one of what is `doing` something ("serve", "work") what a platform may do to it,
        and say what; None where there is nobody."""

    @abstractmethod
    def environments(self, host: RunningHost) -> int:
        """How many there are, built."""

    @abstractmethod
    def clear(self, host: RunningHost) -> None:
        """Nothing that a host which has ended left is there any more."""

    def host(
        self,
        data_dir: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
        module: str = "infra.embedded",
        launch: Launch = forked,
    ) -> RunningHost:
        """One that has its instances here; whoever starts it clears up."""
        host = RunningHost(data_dir, *arguments, output=output, module=module, launch=launch)
        told = {**host.environment, **(environment or {})}
        host.environment = {**told, **self.settings(told, host.meeting)}
        return host

    @contextmanager
    def hosting(
        self,
        data_dir: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
        launch: Launch = forked,
    ) -> Iterator[RunningHost]:
        """One that is up, and of which nothing is left at the end."""
        host = self.host(
            data_dir, *arguments, environment=environment, output=output, launch=launch
        )
        try:
            with host:
                yield host
        finally:
            self.clear(host)
