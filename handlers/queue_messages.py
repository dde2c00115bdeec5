"""Queue messages that bring endpoints and deployments closer to what is wanted."""

import json

import azure.functions as func

from domain.batch_provisioning import BatchProvisioning
from domain.messages import PROVISIONING_QUEUE, Reconcile
from domain.online_provisioning import OnlineProvisioning
from handlers.tracing import traced_message

SERVICE_BUS = "ServiceBusConnection"
"""The setting that holds the connection."""


def blueprint(online: OnlineProvisioning, batch: BatchProvisioning) -> func.Blueprint:
    bp = func.Blueprint()
    kinds: dict[str, OnlineProvisioning | BatchProvisioning] = {
        "onlineEndpoints": online,
        "batchEndpoints": batch,
    }

    @bp.function_name("reconcile")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=PROVISIONING_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(PROVISIONING_QUEUE)
    async def reconcile(message: func.ServiceBusMessage) -> None:
        asked = Reconcile.from_document(json.loads(message.get_body()))
        await kinds[asked.kind].reconcile(asked)

    return bp
