"""Settings of where models run, as a test tells them."""

from dataclasses import dataclass, field

from infra.settings.adapters import ComputeSettings, TelemetrySettings
from infra.settings.container_apps import ContainerAppsSettings
from infra.settings.kubernetes import KubernetesSettings


@dataclass(frozen=True)
class ToldCompute:
    compute: ComputeSettings
    container_apps: ContainerAppsSettings = field(default_factory=ContainerAppsSettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
