"""The path of a unit from its message to its record."""

from domain.jobs.records.job_ground import JobGround
from domain.jobs.units.bundle_scoring import BundleScoring
from domain.jobs.units.job_workers import JobWorkers
from domain.jobs.units.unit_bisecting import UnitBisecting
from domain.jobs.units.unit_claiming import UnitClaiming
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.jobs.units.unit_recording import UnitRecording
from domain.jobs.units.unit_scoring import UnitScoring
from domain.ports import Workers


def compose_units(
    jobs: JobGround,
    workers: Workers,
    *,
    job_workers: JobWorkers,
    recording: UnitRecording,
) -> UnitDelivery:
    claiming = UnitClaiming(jobs.jobs, jobs.clock, jobs.times, workers.holder)
    units = UnitScoring(
        jobs,
        workers,
        job_workers=job_workers,
        claiming=claiming,
        recording=recording,
        bisecting=UnitBisecting(jobs, claiming=claiming, recording=recording),
    )
    return UnitDelivery(
        jobs,
        units=units,
        bundles=BundleScoring(units, recording, job_workers, jobs.times),
        claiming=claiming,
        recording=recording,
    )
