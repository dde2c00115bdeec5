"""The files that hold uncommitted blocks: a block's id, percent-encoded."""

import urllib.parse

from infra.rules.blob_names import ANY_BYTES, check_block_id

SUFFIX = ".block"


def block_file(block_id: str) -> str:
    """The name of a block's file. Raises Invalid."""
    return f"{urllib.parse.quote(check_block_id(block_id), safe='', errors=ANY_BYTES)}{SUFFIX}"


def block_id(file: str) -> str | None:
    """Inverse of `block_file`; None for a file that is no block (one being written)."""
    if not file.endswith(SUFFIX):
        return None
    return urllib.parse.unquote(file.removesuffix(SUFFIX), errors=ANY_BYTES)
