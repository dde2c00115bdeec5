"""`mle status`: everything there is, at a glance."""

import argparse
from typing import Any

from cli.host.arm import path
from cli.verbs import Session, Verb, flag

_COLUMNS = ("name", "kind", "state", "traffic", "instances", "detail")


def status(flags: argparse.Namespace, session: Session) -> Any:
    """A row for each endpoint and each deployment."""
    rows: list[dict[str, Any]] = []
    for collection, kind in (("onlineEndpoints", "online"), ("batchEndpoints", "batch")):
        for endpoint in session.arm.pages(collection):
            if flags.endpoint and endpoint["name"] != flags.endpoint:
                continue
            rows += _endpoint(session, collection, kind, endpoint)
    return rows


def _endpoint(session: Session, collection: str, kind: str, endpoint: Any) -> list[dict[str, Any]]:
    told = endpoint["properties"]
    name = endpoint["name"]
    rows = [
        {
            "name": name,
            "kind": f"{kind} endpoint",
            "state": told["provisioningState"],
            "traffic": None,
            "instances": None,
            "detail": told.get("scoringUri"),
        }
    ]
    default = (told.get("defaults") or {}).get("deploymentName")
    for deployment in session.arm.pages(f"{path(collection, name)}/deployments"):
        inside = deployment["properties"]
        share = (told.get("traffic") or {}).get(deployment["name"])
        traffic = f"{share} %" if share is not None else None
        if kind == "batch":
            traffic = "default" if deployment["name"] == default else None
        scale = inside.get("scaleStatus") or {}
        count = scale.get("instances", (deployment.get("sku") or {}).get("capacity"))
        error = inside.get("error") or {}
        rows.append(
            {
                "name": f"  {deployment['name']}",
                "kind": "deployment",
                "state": inside["provisioningState"],
                "traffic": traffic,
                "instances": count if kind == "online" else None,
                "detail": error.get("message") or inside.get("instanceType"),
            }
        )
    return rows


VERBS = {
    "status": Verb(
        status,
        "Endpoints and deployments, their states, traffic and instances.",
        (flag("endpoint", nargs="?", help="this one alone"),),
        _COLUMNS,
        form="table",
    )
}
