"""`mle alert`: rules over figures, and what of them has fired."""

import argparse
from typing import Any

from cli.collections import Named
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.spans import whole_minutes
from cli.resources import NAME_NEEDED, NO_WAIT, YES
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("name", "status", "condition", "scopes", "severity")
_OPERATORS = {
    "above": "GreaterThan",
    "at_least": "GreaterThanOrEqual",
    "below": "LessThan",
    "at_most": "LessThanOrEqual",
}
_AGGREGATIONS = {n.casefold(): n for n in ("Average", "Count", "Minimum", "Maximum", "Total")}


def shown(rest: Any) -> dict[str, Any]:
    told = rest["properties"]
    return {
        "name": rest["name"],
        "status": told["status"],
        "condition": " and ".join(map(_said, told["criteria"]["allOf"])),
        "scopes": [_below(each) for each in told["scopes"]],
        "severity": told["severity"],
        "window": told["windowSize"],
        "every": told["evaluationFrequency"],
        "enabled": told["enabled"],
        "description": told["description"],
        "criteria": told["criteria"]["allOf"],
    }


def _said(criterion: Any) -> str:
    said = f"{criterion['timeAggregation']} {criterion['metricName']} {criterion['operator']}"
    where = " ".join(
        f"{each['name']}{'=' if each['operator'] == 'Include' else '!='}{','.join(each['values'])}"
        for each in criterion["dimensions"]
    )
    return f"{said} {criterion['threshold']:g}{f' where {where}' if where else ''}"


def _below(scope: str) -> str:
    return scope.partition("/workspaces/")[2].partition("/")[2] or "the workspace"


def set_alert(flags: argparse.Namespace, session: Session) -> Any:
    """Make it, or put another in its place."""
    given = {name: value for name in _OPERATORS if (value := getattr(flags, name)) is not None}
    if len(given) != 1:
        raise UsageFailed("One of --above, --at-least, --below and --at-most says when it fires.")
    [(operator, threshold)] = given.items()
    by = flags.by and _AGGREGATIONS.get(flags.by.casefold())
    if flags.by and by is None:
        raise UsageFailed(f"--by {flags.by}: one of {', '.join(_AGGREGATIONS.values())}.")
    criterion = {
        "name": "Condition",
        "metricName": flags.metric,
        "operator": _OPERATORS[operator],
        "threshold": threshold,
        "timeAggregation": by or ("Total" if "PerMinute" in flags.metric else "Average"),
        "dimensions": _dimensions(flags),
    }
    properties = {
        "scopes": [_scope(flags, session)],
        "severity": flags.severity,
        "description": flags.description,
        "windowSize": whole_minutes("--window", flags.window),
        "evaluationFrequency": whole_minutes("--every", flags.every),
        "criteria": {"allOf": [criterion]},
    }
    where = path("metricAlerts", flags.name)
    session.arm.change("PUT", where, {"properties": properties})
    return shown(session.arm.get(where))


def _dimensions(flags: argparse.Namespace) -> list[dict[str, Any]]:
    found = [{"name": each, "operator": "Include", "values": ["*"]} for each in flags.each or ()]
    for text in flags.where or ():
        name, equals, values = text.partition("=")
        operator = "Exclude" if name.endswith("!") else "Include"
        if not equals or not name.strip("!") or not values:
            raise UsageFailed(f"--where {text}: NAME=VALUE, NAME=VALUE,VALUE or NAME!=VALUE.")
        told = {"name": name.strip("!"), "operator": operator, "values": values.split(",")}
        found.append(told)
    return found


def _scope(flags: argparse.Namespace, session: Session) -> str:
    workspace = session.arm.context.workspace
    if flags.batch_endpoint and (flags.endpoint or flags.deployment):
        raise UsageFailed("Either --endpoint or --batch-endpoint.")
    if flags.deployment and not flags.endpoint:
        raise UsageFailed("--deployment needs its --endpoint.")
    if flags.batch_endpoint:
        return f"{workspace}/batchEndpoints/{flags.batch_endpoint}"
    if not flags.endpoint:
        return workspace
    endpoint = f"{workspace}/onlineEndpoints/{flags.endpoint}"
    return f"{endpoint}/deployments/{flags.deployment}" if flags.deployment else endpoint


def status(flags: argparse.Namespace, session: Session) -> Any:
    told = session.arm.get(f"{path('metricAlerts', flags.name)}/status")["value"]
    return [
        {
            "status": each["properties"]["status"],
            "resource": _below(each["properties"].get("resource") or ""),
            "dimensions": each["properties"]["dimensions"],
            "values": each["properties"].get("values"),
            "since": each["properties"]["timestamp"],
        }
        for each in told
    ]


_ALL = Named("metricAlerts", "alert", shown)
GROUP = Group(
    "rules over figures",
    {
        "set": Verb(
            set_alert,
            "Make a rule, or change one; MlEndpoints.Alert.Fired and .Resolved tell of it.",
            (
                NAME_NEEDED,
                flag("--metric", required=True, help="such as RequestLatency_P95"),
                flag("--above", type=float, metavar="N", help="fires above this"),
                flag("--at-least", type=float, metavar="N"),
                flag("--below", type=float, metavar="N"),
                flag("--at-most", type=float, metavar="N"),
                flag("--by", metavar="AGGREGATION", help="average, total, count, minimum, maximum"),
                flag("--endpoint", metavar="NAME", help="of this endpoint; the workspace, if none"),
                flag("--deployment", metavar="NAME", help="of this deployment of it"),
                flag("--batch-endpoint", metavar="NAME"),
                flag("--where", nargs="+", metavar="NAME=VALUE", help="of series that have this"),
                flag("--each", nargs="+", metavar="NAME", help="each value of this by itself"),
                flag("--window", default="5m", help="what is added up (5m)"),
                flag("--every", default="1m", help="how often it is looked at (1m)"),
                flag("--severity", type=int, default=3, help="0 (critical) to 4 (3)"),
                flag("--description"),
            ),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show a rule.", (NAME_NEEDED,), _COLUMNS),
        "status": Verb(
            status,
            "What of a rule has fired.",
            (NAME_NEEDED,),
            ("status", "resource", "dimensions", "values", "since"),
            form="table",
        ),
        "list": Verb(_ALL.list, "List rules.", (), _COLUMNS, form="table"),
        "delete": Verb(_ALL.delete, "Delete a rule.", (NAME_NEEDED, YES, NO_WAIT)),
    },
)
