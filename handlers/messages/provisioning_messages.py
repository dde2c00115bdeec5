"""Queue messages that bring endpoints and deployments closer to what is wanted, and awake."""

import json
from typing import Any

import azure.functions as func

from domain.ground.giving_back import GivingBack
from domain.ground.messages import (
    PROVISIONING_QUEUE,
    SCALING_LOOKS_QUEUE,
    SCALING_QUEUE,
    LookAtScales,
    Reconcile,
    WakeDeployment,
)
from domain.provisioning.reconciler import Reconciler
from domain.scaling.scale_watching import ScaleWatching
from domain.scaling.scaling import Scaling
from handlers.messages.deliveries import (
    SERVICE_BUS,
    is_redelivered,
    left_to_newer,
    waits_out_faults,
)
from handlers.tracing import traced_message


def blueprint(
    online: Reconciler[Any, Any],
    batch: Reconciler[Any, Any],
    scaling: Scaling,
    watching: ScaleWatching,
    giving_back: GivingBack,
    *,
    scaled_by_clock: bool,
) -> func.Blueprint:
    """`scaled_by_clock`: a timer has autoscaled deployments looked at, and no message need
    begin."""
    bp = func.Blueprint()
    kinds = {"onlineEndpoints": online, "batchEndpoints": batch}

    @bp.function_name("reconcile")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=PROVISIONING_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(PROVISIONING_QUEUE)
    @left_to_newer(PROVISIONING_QUEUE, giving_back)
    @waits_out_faults(PROVISIONING_QUEUE, giving_back)
    async def reconcile(message: func.ServiceBusMessage) -> None:
        asked = Reconcile.from_document(json.loads(message.get_body()))
        await kinds[asked.kind].reconcile(asked)
        if asked.deployment is not None and kinds[asked.kind] is online and not scaled_by_clock:
            await watching.begin()

    @bp.function_name("wake_deployment")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=SCALING_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(SCALING_QUEUE)
    @left_to_newer(SCALING_QUEUE, giving_back)
    async def wake_deployment(message: func.ServiceBusMessage) -> None:
        await scaling.wake(WakeDeployment.from_document(json.loads(message.get_body())))
        if not scaled_by_clock:
            await watching.begin()

    @bp.function_name("look_at_scales")
    @bp.service_bus_queue_trigger(
        arg_name="message", queue_name=SCALING_LOOKS_QUEUE, connection=SERVICE_BUS
    )
    @traced_message(SCALING_LOOKS_QUEUE)
    @left_to_newer(SCALING_LOOKS_QUEUE, giving_back)
    @waits_out_faults(SCALING_LOOKS_QUEUE, giving_back)
    async def look_at_scales(message: func.ServiceBusMessage) -> None:
        asked = LookAtScales.from_document(json.loads(message.get_body()))
        await watching.look(asked, redelivered=is_redelivered(message))

    return bp
