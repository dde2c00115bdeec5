"""News of blobs that land in the inbox, as Event Grid puts it into a queue: names, no bodies."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import azure.functions as func

from domain.assets.datastore import INBOX
from domain.drops.blob_dropping import BlobDropping
from domain.ground.giving_back import GivingBack
from domain.ground.messages import ARRIVALS
from handlers.messages.deliveries import SERVICE_BUS, left_to_newer, waits_out_faults
from handlers.tracing import traced_message

LANDED = "Microsoft.Storage.BlobCreated"

_SUBJECT = f"/blobServices/default/containers/{INBOX}/blobs/"
_log = logging.getLogger("ml_endpoints.drop")


def blueprint(dropping: BlobDropping, giving_back: GivingBack) -> func.Blueprint:
    bp = func.Blueprint()

    @bp.function_name("gather_arrival")
    @bp.service_bus_queue_trigger(arg_name="message", queue_name=ARRIVALS, connection=SERVICE_BUS)
    @traced_message(ARRIVALS)
    @left_to_newer(ARRIVALS, giving_back)
    @waits_out_faults(ARRIVALS, giving_back)
    async def gather_arrival(message: func.ServiceBusMessage) -> None:
        event = json.loads(message.get_body())
        if event.get("type") != LANDED:
            _log.warning("An event of type %.100r is no arrival in the inbox", event.get("type"))
            return
        for name in _names(event):
            await dropping.arrive(name, landed_at=_at(event))

    return bp


def _names(event: Mapping[str, Any]) -> list[str]:
    """What the blob may be called. The subject has its name as it is, but for characters that
    Event Grid has been seen to lose; the URL has all of them, encoded. Where the two differ, the
    one that is there is the blob: nothing comes of the other."""
    subject, url = str(event.get("subject", "")), str(event.get("data", {}).get("url", ""))
    found = []
    if subject.startswith(_SUBJECT):
        found.append(subject.removeprefix(_SUBJECT))
    if (path := urlsplit(url).path).startswith(f"/{INBOX}/"):
        found.append(unquote(path.removeprefix(f"/{INBOX}/")))
    return list(dict.fromkeys(found))


def _at(event: Mapping[str, Any]) -> datetime | None:
    """When the blob landed; None where the event does not say."""
    try:
        found = datetime.fromisoformat(str(event.get("time", "")))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
