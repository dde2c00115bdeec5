"""`mle cost`: what endpoints, deployments and jobs have cost, and what they would."""

import argparse
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cli.failures import UsageFailed
from cli.host.arm import path
from cli.output.console import say
from cli.verbs import Session, Verb, flag

_QUERY = "providers/Microsoft.CostManagement/query"
_PRICES = "priceSheets/default"
_BY = {
    "endpoint": "Endpoint",
    "deployment": "Deployment",
    "job": "Job",
    "kind": "Kind",
    "instance-type": "InstanceType",
    "meter": "Meter",
}
_WHEN = {"day": "Daily", "month": "Monthly"}
_AMOUNTS = ("Cost", "IdleCost")


def cost(flags: argparse.Namespace, session: Session) -> Any:
    """Rows of what was used, or prices, or an estimate."""
    if flags.set_prices:
        return _set_prices(session, flags.set_prices)
    if flags.prices:
        return session.arm.get(_PRICES)["properties"]
    if flags.if_instances is not None or flags.if_type:
        return _estimate(flags, session)
    return _rows(flags, session)


def _rows(flags: argparse.Namespace, session: Session) -> Any:
    when, grouping = _grouping(flags)
    dataset: dict[str, Any] = {
        "granularity": when,
        "aggregation": {name: {"name": name, "function": "Sum"} for name in _AMOUNTS},
        "grouping": grouping,
    }
    if any(each["name"] == "Meter" for each in grouping):
        quantity = {"name": "UsageQuantity", "function": "Sum"}
        dataset["aggregation"]["UsageQuantity"] = quantity
    parts = [
        {"dimensions": {"name": name, "operator": "In", "values": [value]}}
        for name, value in (("Endpoint", flags.endpoint), ("Deployment", flags.deployment))
        if value
    ]
    if parts:
        dataset["filter"] = parts[0] if len(parts) == 1 else {"and": parts}
    today = datetime.now(UTC).date()
    until = _day("--to", flags.to) or today
    since = _day("--from", flags.since) or min(until, today).replace(day=1)
    period = {"from": since.isoformat(), "to": until.isoformat()}
    body = {"timeframe": "Custom", "timePeriod": period, "dataset": dataset}
    found = session.arm.post(_QUERY, body)["properties"]
    _tell(found)
    names = [each["name"] for each in found["columns"]]
    return [_row(dict(zip(names, row, strict=True))) for row in found["rows"]]


def _grouping(flags: argparse.Namespace) -> tuple[str, list[dict[str, str]]]:
    default = "deployment" if flags.endpoint else "endpoint"
    when, grouping = "None", []
    for name in (flags.by or default).split(","):
        if name in _WHEN:
            when = _WHEN[name]
        elif name.startswith("tag:") and len(name) > len("tag:"):
            grouping.append({"type": "TagKey", "name": name.removeprefix("tag:")})
        elif name in _BY:
            grouping.append({"type": "Dimension", "name": _BY[name]})
        else:
            there = ", ".join([*_WHEN, *_BY, "tag:NAME"])
            raise UsageFailed(f"--by {name}: one or more of {there}, with commas between.")
    return when, grouping


def _day(named: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageFailed(f"{named} {text!r}: a day is 2026-01-31.") from None


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Names and days first, as one reads it."""
    day = row.pop("UsageDate", None)
    month = row.pop("BillingMonth", None)
    shown: dict[str, Any] = {}
    if day is not None:
        shown["day"] = f"{str(day)[:4]}-{str(day)[4:6]}-{str(day)[6:]}"
    if month is not None:
        shown["month"] = month[:7]
    amounts = {"Cost": "cost", "IdleCost": "idle_cost", "UsageQuantity": "quantity"}
    named = {value: key.replace("-", "_") for key, value in _BY.items()}
    for name, value in row.items():
        if name not in amounts and name != "Currency":
            shown[named.get(name, name)] = value
    for name, told in amounts.items():
        if name in row:
            shown[told] = row[name]
    return {**shown, "currency": row["Currency"]}


def _tell(found: dict[str, Any]) -> None:
    if found["prices"]["isSample"]:
        day = found["prices"]["asOf"]
        say(f"Prices are a sample of {day}: `mle cost --set-prices FILE` sets yours.")
    unpriced = found["unpricedInstanceTypes"]
    if unpriced:
        say(f"Not in it, for want of a price: {', '.join(unpriced)}.")


def _estimate(flags: argparse.Namespace, session: Session) -> Any:
    if bool(flags.endpoint) != bool(flags.deployment):
        raise UsageFailed("What of it? Name an endpoint and, by --deployment, its deployment.")
    if not flags.endpoint and not flags.if_type:
        raise UsageFailed("Of what? Name an endpoint and --deployment, or --if-type.")
    query = {}
    if flags.if_type:
        query["instanceType"] = flags.if_type
    if flags.if_instances is not None:
        query["instanceCount"] = str(flags.if_instances)
    of = (
        path("onlineEndpoints", flags.endpoint, "deployments", flags.deployment)
        if (flags.endpoint)
        else ""
    )
    found = session.arm.get(f"{of}/costEstimate".lstrip("/"), **query)["properties"]
    return {
        "instance_type": found["instanceType"],
        "instances": found["instanceCount"],
        "hour": found["perHour"],
        "day": found["perDay"],
        "month": found["perMonth"],
        "currency": found["currency"],
    }


def _set_prices(session: Session, file: str) -> Any:
    try:
        body = json.loads(Path(file).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageFailed(f"--set-prices {file}: {error}") from None
    if isinstance(body, dict) and "properties" not in body:
        body = {"properties": body}
    answer = session.arm.call("PUT", _PRICES, body)
    return json.loads(answer.read())["properties"]


VERBS = {
    "cost": Verb(
        cost,
        "What ran, and what it costs; idle_cost is the part in which nobody asked for anything.",
        (
            flag("endpoint", nargs="?", help="this endpoint's alone"),
            flag("--deployment", metavar="NAME", help="of this deployment alone"),
            flag(
                "--by",
                metavar="WHAT",
                help="day, month, endpoint, deployment, job, kind, instance-type, meter or "
                "tag:NAME, several with commas between",
            ),
            flag(
                "--from", dest="since", metavar="DAY", help="from this day on (UTC); else the 1st"
            ),
            flag("--to", metavar="DAY", help="to this day; else today"),
            flag("--if-instances", type=int, metavar="N", help="what so many would cost"),
            flag("--if-type", metavar="TYPE", help="what this instance type would cost"),
            flag("--prices", action="store_true", help="show the price sheet"),
            flag("--set-prices", metavar="FILE", help="set it, from a JSON file (examples/prices)"),
        ),
        form="table",
        epilog="mle cost --by day,endpoint --from 2026-01-01 -o csv\n"
        "mle cost digits --deployment blue --if-instances 3",
    )
}
