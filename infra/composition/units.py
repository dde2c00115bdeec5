"""The path of a unit from its message to its record."""

from domain.jobs.records.job_ground import JobGround
from domain.jobs.units.bundle_scoring import BundleScoring
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_claiming import UnitClaiming
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.jobs.units.unit_recording import UnitRecording
from domain.jobs.units.unit_scoring import UnitScoring
from domain.ports import Scorer


def compose_units(
    jobs: JobGround,
    scorer: Scorer,
    *,
    workers: JobWorkers,
    recording: UnitRecording,
    holder: str,
) -> UnitDelivery:
    claiming = UnitClaiming(jobs.jobs, jobs.clock, jobs.times, holder)
    units = UnitScoring(
        jobs, scorer, workers=workers, claiming=claiming, recording=recording, holder=holder
    )
    return UnitDelivery(
        jobs,
        units=units,
        bundles=BundleScoring(units, recording, workers, jobs.times),
        claiming=claiming,
        recording=recording,
    )
