"""Why a file has no predictions."""

from __future__ import annotations


class Unscorable(Exception):
    """A file that a model can do nothing with, however often it is tried; the message names the
    file and says why."""
