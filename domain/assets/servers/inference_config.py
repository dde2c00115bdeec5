"""Where a server of the user's own is asked, as Azure ML's `inferenceConfig` has it."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from domain.ports import ServerRoute
from domain.values import Value


class Route(Value):
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=1024)]
    port: Annotated[int, Field(ge=1, le=65535)]

    @property
    def told(self) -> ServerRoute:
        return ServerRoute(self.path, self.port)


class InferenceConfig(Value):
    """`liveness_route` and `readiness_route` stand for each other. A `startup_route` is kept and
    means nothing: a readiness probe waits for as long."""

    scoring_route: Route
    liveness_route: Route | None = None
    readiness_route: Route | None = None
    startup_route: Route | None = None

    @model_validator(mode="after")
    def _probed(self) -> Self:
        if self.liveness_route is None and self.readiness_route is None:
            raise ValueError("one of livenessRoute and readinessRoute is needed")
        return self

    @property
    def probes(self) -> tuple[ServerRoute, ServerRoute]:
        """Of liveness and of readiness."""
        liveness = self.liveness_route or self.readiness_route or self.scoring_route
        return liveness.told, (self.readiness_route or liveness).told


_TRITON_PORT: Final = 8000
TRITON: Final = InferenceConfig(
    scoring_route=Route(path="/", port=_TRITON_PORT),
    liveness_route=Route(path="/v2/health/live", port=_TRITON_PORT),
    readiness_route=Route(path="/v2/health/ready", port=_TRITON_PORT),
)
