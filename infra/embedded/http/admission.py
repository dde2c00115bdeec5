"""How the app tells the door that a caller is known."""

from starlette.requests import Request


def admitted(request: Request) -> None:
    """The request's credential was good: its connection is no stranger's any more."""
    tell = request.scope.get("admitted")
    if tell is not None:
        tell()
