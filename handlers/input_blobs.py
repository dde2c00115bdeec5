"""Blobs that land in the inbox."""

import azure.functions as func

from domain.blob_dropping import BlobDropping
from domain.datastore import INBOX

STORAGE = "InboxStorage"
"""The setting that holds the connection."""


def blueprint(dropping: BlobDropping) -> func.Blueprint:
    bp = func.Blueprint()

    # One placeholder for the whole name: how two would share its slashes is nowhere promised.
    @bp.function_name("gather_input_blob")
    @bp.blob_trigger(arg_name="blob", path=f"{INBOX}/{{name}}", connection=STORAGE)
    async def gather_input_blob(blob: func.InputStream) -> None:
        await dropping.arrive((blob.name or "").removeprefix(f"{INBOX}/"))

    return bp
