"""The web application that the HTTP extension has in a Functions worker, without pages of its own.

FastAPI answers `/openapi.json`, `/docs` and `/redoc` itself, before any function. The worker pairs
each request with its function's invocation, which waits for a request that never comes, until the
Functions host ends the worker, with all that it had in hand.
"""

from typing import Any

from azurefunctions.extensions.http.fastapi import web
from fastapi import FastAPI


def leave_out() -> None:
    """For a worker that starts after this. Once or several times is the same."""
    extension: Any = web
    extension.WebApp.__init__ = _bare  # there is no setting for it


def _bare(self: Any) -> None:
    self.web_app = FastAPI(openapi_url=None)
