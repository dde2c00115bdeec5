"""What is kept of scoring requests and of what scripts say, for monitoring models."""

from domain.assets.asset_registration import AssetRegistration
from domain.collecting.instance_records import InstanceRecords
from domain.collecting.payload_collecting import PayloadCollecting
from domain.collecting.record_writing import RecordWriting
from infra.composition.ground import Ground
from infra.settings.features import CollectingSettings

_COMES = 1.0
"""Seconds between two times that instances are asked for what they have collected."""


def compose_collecting(
    ground: Ground, settings: CollectingSettings, *, assets: AssetRegistration
) -> PayloadCollecting:
    a = ground.adapters
    writing = RecordWriting(
        a.blobs,
        assets,
        ground.scope,
        a.clock,
        ground.tally,
        most=settings.max_memory,
        period=settings.period,
    )
    period = min(_COMES, settings.period)
    instances = InstanceRecords(a.serving, a.scorer, writing, period=period)
    return PayloadCollecting(writing, instances, a.clock, max_bytes=settings.max_bytes)
