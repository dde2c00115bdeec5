"""`mle schema`: JSON Schemas of YAML files, for editors."""

import argparse
from typing import Any

from cli.failures import UsageFailed
from cli.kinds.assets import DATA, ENVIRONMENT, MODEL
from cli.kinds.computes import AML_COMPUTE, KUBERNETES
from cli.kinds.connections import CONNECTION
from cli.kinds.deployments import BATCH_DEPLOYMENT, ONLINE_DEPLOYMENT
from cli.kinds.endpoints import BATCH_ENDPOINT, ONLINE_ENDPOINT
from cli.kinds.events import EVENT_MAPPING, EVENT_SUBSCRIPTION
from cli.kinds.schedules import SCHEDULE
from cli.verbs import Session, Verb, flag

KINDS = {
    "online-endpoint": ONLINE_ENDPOINT,
    "online-deployment": ONLINE_DEPLOYMENT,
    "batch-endpoint": BATCH_ENDPOINT,
    "batch-deployment": BATCH_DEPLOYMENT,
    "model": MODEL,
    "environment": ENVIRONMENT,
    "data": DATA,
    "compute": AML_COMPUTE,
    "kubernetes-compute": KUBERNETES,
    "connection": CONNECTION,
    "schedule": SCHEDULE,
    "event-mapping": EVENT_MAPPING,
    "event-subscription": EVENT_SUBSCRIPTION,
}


def schema(flags: argparse.Namespace, session: Session) -> Any:
    """One kind's schema, or the kinds there are."""
    if flags.kind is None:
        return sorted(KINDS)
    if flags.kind not in KINDS:
        raise UsageFailed(f"{flags.kind!r} is no kind of file: {', '.join(sorted(KINDS))}.")
    record = KINDS[flags.kind]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": flags.kind,
        "description": record.doc,
        **record.schema(),
    }


VERBS = {
    "schema": Verb(
        schema,
        "A JSON Schema of one kind of YAML file, for editors; without a kind, list them.",
        (flag("kind", nargs="?", help="such as online-deployment"),),
    )
}
