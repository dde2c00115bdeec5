"""Blobs that land in the inbox, where the host itself looks for them."""

from datetime import UTC, datetime

import azure.functions as func

from domain.assets.datastore import INBOX
from domain.drops.blob_dropping import BlobDropping
from handlers.tracing import traced_event

STORAGE = "BlobConnection"
"""The setting that holds the connection."""


def blueprint(dropping: BlobDropping) -> func.Blueprint:
    """A Functions host reads each blob whole for this; the embedded one opens none."""
    bp = func.Blueprint()

    # One placeholder for the whole name: how two would share its slashes is nowhere promised.
    @bp.function_name("gather_input_blob")
    @bp.blob_trigger(arg_name="blob", path=f"{INBOX}/{{name}}", connection=STORAGE)
    @traced_event
    async def gather_input_blob(blob: func.InputStream) -> None:
        name = (blob.name or "").removeprefix(f"{INBOX}/")
        await dropping.arrive(name, landed_at=_landed_at(blob))

    return bp


def _landed_at(blob: func.InputStream) -> datetime | None:
    """When the trigger says that the blob landed; None where it does not say."""
    # Not among what the library's base class declares, though its InputStream has it.
    told = getattr(blob, "blob_properties", None)
    try:
        found = datetime.fromisoformat(str(told["LastModified"]) if told else "")
    except (ValueError, KeyError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
