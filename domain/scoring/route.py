"""What a request must know of an endpoint and its deployments, to be passed on."""

from typing import TYPE_CHECKING

from domain.ground.access import AuthMode
from domain.ground.provisioning_state import ProvisioningState
from domain.online.online_deployment import OnlineDeployment, running_revision
from domain.online.online_endpoint import OnlineEndpoint
from domain.online.traffic.traffic import TrafficSplit

if TYPE_CHECKING:
    from domain.scoring.exchange_taps import Tap


class DeploymentRoute:
    """What a request must know of a deployment. `request_timeout` is in seconds; `turn`
    counts the choices made among its instances, each of which is `workers` processes;
    `revision` names what runs, and is another when the deployment has been changed or made
    anew. One that `may_sleep` can be woken when it has no instance; one that is `proven` has
    succeeded before, so that it should have one everywhere. `collector` says what of its
    requests is kept, None for nothing; of one that `is_told` each goes to where telemetry goes."""

    __slots__ = (
        "collector",
        "is_told",
        "max_concurrent",
        "may_sleep",
        "name",
        "proven",
        "request_timeout",
        "revision",
        "state",
        "turn",
        "workers",
        "workload_key",
    )

    def __init__(self, deployment: OnlineDeployment) -> None:
        settings = deployment.properties.request_settings
        self.name = deployment.name
        self.workload_key = deployment.workload_key
        self.request_timeout = settings.request_timeout.total_seconds()
        self.max_concurrent = settings.max_concurrent_requests_per_instance
        self.state = deployment.provisioning_state
        self.revision = running_revision(deployment)
        self.turn = 0
        self.is_told = deployment.properties.app_insights_enabled
        self.collector = deployment.properties.data_collector
        self.workers = deployment.workers
        bounds = deployment.bounds
        proven = deployment.proven is not None
        self.proven = proven or self.state is ProvisioningState.SUCCEEDED
        failed = self.state is ProvisioningState.FAILED and not proven
        self.may_sleep = bounds is not None and bounds.may_sleep and not failed


class Route:
    """What a request must know of an endpoint. `deployments` and `traffic` are keyed by
    case-folded name; `split` chooses among those keys. `tally` is what requests to the
    deployments in `tallied` are counted under: the running rollout's step. `taps` are those
    that want its exchanges, once somebody has asked them."""

    __slots__ = (
        "_mirror",
        "_mirror_split",
        "auth_mode",
        "deployments",
        "endpoint",
        "etag",
        "key_digests",
        "split",
        "tallied",
        "tally",
        "taps",
        "token_keys",
        "traffic",
    )

    def __init__(
        self,
        endpoint: OnlineEndpoint,
        etag: str,
        deployments: dict[str, DeploymentRoute],
        before: "Route | None",
    ) -> None:
        self.endpoint = endpoint.name
        self.etag = etag
        self.auth_mode: AuthMode = endpoint.properties.auth_mode
        self.key_digests = endpoint.sealed_keys.digests
        self.token_keys = endpoint.token_keys
        self.deployments = deployments
        self.traffic = {name: endpoint.traffic_of(name) for name in deployments}
        # The turn goes on where it was, or each refresh would favour whoever comes first.
        kept = before is not None and before.traffic == self.traffic
        self.split: TrafficSplit = before.split if before and kept else TrafficSplit(self.traffic)
        self._mirror: tuple[str, int] | None = next(
            ((n, p) for n in deployments if (p := endpoint.mirror_traffic_of(n))), None
        )
        self._mirror_split: TrafficSplit | None = None
        if before is not None and before._mirror == self._mirror:
            self._mirror_split = before._mirror_split
        elif self._mirror is not None:
            name, percent = self._mirror
            self._mirror_split = TrafficSplit({name: percent, "": 100 - percent})
        rollout = endpoint.rollout
        running = rollout if rollout is not None and rollout.running else None
        self.tally = running.tally if running else ""
        self.taps: tuple[Tap, ...] | None = None
        self.tallied = frozenset(running.counted) if running else frozenset()

    def deployment(self, name: str) -> DeploymentRoute | None:
        return self.deployments.get(name.casefold())

    def next(self) -> DeploymentRoute | None:
        """The deployment whose turn it is by the traffic split; None if none has traffic."""
        name = self.split.choose()
        return self.deployments[name] if name is not None else None

    @property
    def mirrored(self) -> bool:
        """Whether any of its requests are to be copied."""
        return self._mirror is not None

    def mirror(self) -> DeploymentRoute | None:
        """Where a copy of the request at hand goes, if it is its turn to be mirrored."""
        if self._mirror is None or self._mirror_split is None:
            return None
        name = self._mirror_split.choose()
        return self.deployments[name] if name else None

    def busiest(self) -> DeploymentRoute | None:
        """The deployment with the most traffic, without taking anybody's turn."""
        name = max(self.traffic, key=self.traffic.__getitem__, default=None)
        return self.deployments[name] if name is not None and self.traffic[name] else None
