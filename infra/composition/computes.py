"""Computes, which online endpoints and batch jobs name."""

from datetime import timedelta

from domain.assets.using.asset_use import AssetUse
from domain.computes.compute_targets import ComputeTargets
from infra.composition.ground import Ground
from infra.settings.features import BatchSettings


def compose_computes(ground: Ground, settings: BatchSettings, *, use: AssetUse) -> ComputeTargets:
    a = ground.adapters
    return ComputeTargets(
        a.store,
        a.capabilities,
        a.clock,
        ground.scope,
        ground.holding,
        in_use=use.of,
        idle_time=timedelta(seconds=settings.worker_idle_time),
    )
