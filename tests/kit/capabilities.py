"""A compute that takes everything."""

from collections.abc import Sequence

from domain.ports import Capabilities, EnvironmentSpec, InstanceSize


class AnyCapabilities(Capabilities):
    """Every environment, every size."""

    async def refusals(
        self, environment: EnvironmentSpec, instance_type: str | None
    ) -> Sequence[str]:
        return ()

    def size(self, instance_type: str | None) -> InstanceSize:
        return InstanceSize(1.0, 2**30)
