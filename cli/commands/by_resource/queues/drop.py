"""`mle drop`: files that have come for a batch endpoint and wait to become a job."""

import argparse
from typing import Any

from cli.host.arm import path
from cli.resources import ENDPOINT_NEEDED
from cli.verbs import Group, Session, Verb

_COLUMNS = ("endpoint", "state", "files", "bytes", "seals_at", "deployment", "waiting_for")


def shown(rest: Any) -> dict[str, Any]:
    told = rest["properties"]
    return {
        "endpoint": told["endpointName"],
        "state": told["state"],
        "files": told["files"],
        "bytes": told["bytes"],
        "is_complete": told["isComplete"],
        "first_arrival": told["firstArrivalAt"],
        "last_arrival": told["lastArrivalAt"],
        "seals_at": told["sealsAt"],
        "waiting_for": told["waitingFor"],
        "job": told["jobName"],
        "deployment": told["deploymentName"],
        "options": told["options"],
    }


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    return [shown(rest) for rest in session.arm.pages("drops")]


def show(flags: argparse.Namespace, session: Session) -> Any:
    return shown(session.arm.get(_where(flags)))


def files(flags: argparse.Namespace, session: Session) -> Any:
    return [
        {"name": each["name"], "size": each["size"], "arrived": each["arrivedAt"]}
        for each in session.arm.pages(f"{_where(flags)}/files")
    ]


def _where(flags: argparse.Namespace) -> str:
    return f"{path('batchEndpoints', flags.endpoint_name)}/drop"


GROUP = Group(
    "files that wait to become a job",
    {
        "list": Verb(list_all, "List what gathers in the inbox now.", (), _COLUMNS, form="table"),
        "show": Verb(show, "Show what gathers for a batch endpoint.", (ENDPOINT_NEEDED,), _COLUMNS),
        "files": Verb(
            files,
            "List the files that no job has taken yet.",
            (ENDPOINT_NEEDED,),
            ("name", "size", "arrived"),
            form="table",
        ),
    },
)
