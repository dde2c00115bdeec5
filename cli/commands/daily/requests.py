"""`mle requests`: an endpoint's scoring requests one by one."""

import argparse
from typing import Any

from cli.commands.daily.logs import moment
from cli.host.arm import path
from cli.verbs import Session, Verb, flag

_COLUMNS = {
    "time": "TimeGenerated",
    "deployment": "DeploymentName",
    "code": "ResponseCode",
    "ms": "TotalDurationMs",
    "reason": "ResponseCodeReason",
    "caller": "Caller",
    "request": "XRequestId",
}


def run(flags: argparse.Namespace, session: Session) -> Any:
    said = {
        "deployment": flags.deployment,
        "status": flags.status,
        "caller": flags.caller,
        "minDurationMs": flags.slower_than,
        "since": moment(flags.since),
        "requestId": flags.request,
        "$top": str(min(flags.max_results, 1000)),
    }
    asked = {name: value for name, value in said.items() if value}
    found = []
    for each in session.arm.pages(f"{path('onlineEndpoints', flags.endpoint)}/trafficLog", **asked):
        found.append(each)
        if len(found) >= flags.max_results:
            break
    if flags.output in (None, "table"):
        return [{name: each[column] for name, column in _COLUMNS.items()} for each in found]
    return found


VERBS = {
    "requests": Verb(
        run,
        "An endpoint's scoring requests, newest first.",
        (
            flag("endpoint", metavar="ENDPOINT"),
            flag("-d", "--deployment", help="of one deployment"),
            flag("--status", help="429, 5xx or 400-499; several with commas between"),
            flag("--caller", help="whose credential it was, as the list shows it"),
            flag("--slower-than", metavar="MS", help="that took as many milliseconds or more"),
            flag("--since", metavar="TIME", help="from a time on, or so long ago: 15m, 2h"),
            flag("--request", metavar="ID", help="one, by its x-request-id"),
            flag("-r", "--max-results", type=int, default=50, metavar="N", help="so many (50)"),
        ),
        tuple(_COLUMNS),
        form="table",
    )
}
