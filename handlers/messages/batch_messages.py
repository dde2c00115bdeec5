"""Queue messages that drive batch jobs, drops and schedules."""

import json

import azure.functions as func

from domain.drops.blob_dropping import BlobDropping
from domain.ground.giving_back import GivingBack
from domain.ground.messages import (
    BATCH_JOBS_QUEUE,
    BLOB_DROPS_QUEUE,
    MINI_BATCHES_QUEUE,
    SCHEDULES_QUEUE,
    AdvanceJob,
    CheckDrop,
    CheckSchedule,
    ScoreUnit,
)
from domain.jobs.job_supervision import JobSupervision
from domain.jobs.units.unit_delivery import UnitDelivery
from domain.schedules.scheduling import Scheduling
from handlers.messages.deliveries import (
    SERVICE_BUS,
    is_redelivered,
    left_to_newer,
    waits_out_faults,
)
from handlers.tracing import traced_message


def blueprint(
    supervision: JobSupervision,
    scoring: UnitDelivery,
    dropping: BlobDropping,
    scheduling: Scheduling,
    giving_back: GivingBack,
) -> func.Blueprint:
    bp = func.Blueprint()

    @bp.function_name("advance_job")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=BATCH_JOBS_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(BATCH_JOBS_QUEUE)
    @left_to_newer(BATCH_JOBS_QUEUE, giving_back)
    @waits_out_faults(BATCH_JOBS_QUEUE, giving_back)
    async def advance_job(message: func.ServiceBusMessage) -> None:
        asked = AdvanceJob.from_document(json.loads(message.get_body()))
        await supervision.advance(asked, redelivered=is_redelivered(message))

    @bp.function_name("score_unit")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=MINI_BATCHES_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(MINI_BATCHES_QUEUE)
    @left_to_newer(MINI_BATCHES_QUEUE, giving_back)
    async def score_unit(message: func.ServiceBusMessage) -> None:
        asked = ScoreUnit.from_document(json.loads(message.get_body()))
        await scoring.score(asked, message.message_id or "", redelivered=is_redelivered(message))

    @bp.function_name("check_drop")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=BLOB_DROPS_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(BLOB_DROPS_QUEUE)
    @left_to_newer(BLOB_DROPS_QUEUE, giving_back)
    @waits_out_faults(BLOB_DROPS_QUEUE, giving_back)
    async def check_drop(message: func.ServiceBusMessage) -> None:
        asked = CheckDrop.from_document(json.loads(message.get_body()))
        await dropping.check(asked, redelivered=is_redelivered(message))

    @bp.function_name("check_schedule")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=SCHEDULES_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(SCHEDULES_QUEUE)
    @left_to_newer(SCHEDULES_QUEUE, giving_back)
    @waits_out_faults(SCHEDULES_QUEUE, giving_back)
    async def check_schedule(message: func.ServiceBusMessage) -> None:
        asked = CheckSchedule.from_document(json.loads(message.get_body()))
        await scheduling.check(asked, redelivered=is_redelivered(message))

    return bp
