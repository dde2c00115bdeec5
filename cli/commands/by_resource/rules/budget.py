"""`mle budget`: how much may be spent, and who is told."""

import argparse
from typing import Any

from cli.collections import Named
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.resources import NAME_NEEDED, NO_WAIT, YES
from cli.verbs import Group, Session, Verb, flag

_COLUMNS = ("name", "amount", "spent", "currency", "time_grain", "since", "passed")
_GRAINS = {each.casefold(): each for each in ("Daily", "Monthly", "Quarterly", "Annually")}


def shown(rest: Any) -> dict[str, Any]:
    """A budget with what is spent of it."""
    told = rest["properties"]
    notifications = told["notifications"]
    passed = [
        each["threshold"]
        for each in notifications.values()
        if each.get("toldFor") and each["toldFor"] == told["since"]
    ]
    return {
        "name": rest["name"],
        "amount": told["amount"],
        "spent": told["currentSpend"]["amount"],
        "currency": told["currentSpend"]["unit"],
        "time_grain": told["timeGrain"],
        "since": told["since"],
        "passed": f"{max(passed):g} %" if passed else "",
        "filter": told["filter"],
        "notifications": notifications,
    }


def set_budget(flags: argparse.Namespace, session: Session) -> Any:
    """Make it, or put another in its place."""
    properties: dict[str, Any] = {
        "amount": flags.amount,
        "timeGrain": _grain(flags.time_grain),
        "notifications": {
            f"At{each:g}".replace(".", "_"): {"threshold": each} for each in flags.at or [100.0]
        },
    }
    filters = [
        {"dimensions": {"name": name, "operator": "In", "values": [value]}}
        for name, value in (("Endpoint", flags.endpoint), ("Deployment", flags.deployment))
        if value
    ]
    for tag in flags.tag or ():
        name, equals, value = tag.partition("=")
        if not equals:
            raise UsageFailed(f"--tag {tag}: NAME=VALUE belongs here.")
        filters.append({"tags": {"name": name, "operator": "In", "values": [value]}})
    if filters:
        properties["filter"] = filters[0] if len(filters) == 1 else {"and": filters}
    where = path("budgets", flags.name)
    session.arm.change("PUT", where, {"properties": properties})
    return shown(session.arm.get(where))


def _grain(text: str) -> str:
    found = _GRAINS.get(text.casefold())
    if found is None:
        raise UsageFailed(f"--time-grain {text}: one of {', '.join(_GRAINS)}.")
    return found


_ALL = Named("budgets", "budget", shown)
GROUP = Group(
    "how much may be spent",
    {
        "set": Verb(
            set_budget,
            "Make a budget, or change one; MlEndpoints.Budget.Passed tells when a part is spent.",
            (
                NAME_NEEDED,
                flag("--amount", type=float, required=True, help="in the price sheet's currency"),
                flag("--time-grain", default="monthly", help="daily, monthly, quarterly, annually"),
                flag(
                    "--at",
                    type=float,
                    nargs="+",
                    metavar="PERCENT",
                    help="parts at which it tells; 100 unless given",
                ),
                flag("--endpoint", metavar="NAME", help="of what this endpoint costs"),
                flag("--deployment", metavar="NAME", help="of what this deployment costs"),
                flag("--tag", nargs="+", metavar="NAME=VALUE", help="of what has this tag"),
            ),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show a budget.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(_ALL.list, "List budgets.", (), _COLUMNS, form="table"),
        "delete": Verb(_ALL.delete, "Delete a budget.", (NAME_NEEDED, YES, NO_WAIT)),
    },
)
