"""Budgets on the control plane."""

from typing import Any

import azure.functions as func

from domain.ground.resource import Stored, Wanted
from domain.ledger.budget import Budget, BudgetProperties, Notification
from domain.ledger.budgets import Budgets
from handlers import wire
from handlers.control import named_resources
from handlers.control.named_resources import NamedCollection
from handlers.http import Routes, render_resource

PATH = "budgets"
_BY_EVENT = "Whoever is to be told subscribes to MlEndpoints.Budget.Passed (eventSubscriptions)."

ARM_FIELDS: wire.ArmFields = {
    BudgetProperties: wire.OtherFields(
        read_only=("provisioningState", "currentSpend", "forecastSpend", "since", "reckonedAt"),
    ),
    Notification: wire.OtherFields(
        read_only=("toldFor",),
        refused={
            "contactEmails": _BY_EVENT,
            "contactGroups": _BY_EVENT,
            "contactRoles": _BY_EVENT,
        },
    ),
}


def blueprint(routes: Routes, budgets: Budgets) -> func.Blueprint:
    bp = func.Blueprint()

    async def rendered(stored: Stored[Budget]) -> dict[str, Any]:
        return _rendered(routes, stored.resource)

    named_resources.add(
        routes,
        bp,
        NamedCollection(
            noun="budget",
            title="a budget",
            path=PATH,
            body=Wanted[BudgetProperties],
            fields=ARM_FIELDS,
            get=budgets.resources.get,
            list=budgets.resources.list,
            put=budgets.put,
            delete=budgets.delete,
            render=rendered,
        ),
    )
    return bp


def _rendered(routes: Routes, budget: Budget) -> dict[str, Any]:
    at = budget.reckoned_at
    read_only: dict[str, Any] = {
        "currentSpend": {"amount": round(budget.spent, 6), "unit": budget.currency},
        "since": budget.since or None,
        "reckonedAt": at.isoformat() if at else None,
    }
    body = render_resource(budget, routes.scope.path(PATH, budget.name), PATH, read_only)
    for name, shown in body["properties"]["notifications"].items():
        shown["toldFor"] = budget.told.get(name)
    return body
