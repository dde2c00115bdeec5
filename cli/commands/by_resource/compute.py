"""`mle compute`, with verbs and flags of `az ml compute`."""

import argparse
from pathlib import Path
from typing import Any

from cli.collections import Named
from cli.documents.reading import read
from cli.documents.yaml_file import read_document
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.computes import AML_COMPUTE, KUBERNETES, record_of
from cli.resources import (
    FILE,
    NAME,
    NAME_NEEDED,
    NO_WAIT,
    SET,
    UPDATES,
    YES,
    change,
    make,
    named,
    show,
)
from cli.verbs import Group, Session, Verb, flag

_USUAL_SIZE = "Standard_DS3_v2"
"""What Azure's command line takes where neither a flag nor a file says one."""
_USUAL_MAXIMUM = 1
"""Instances, where nothing says how many."""
_COLUMNS = ("name", "type", "size", "min_instances", "max_instances", "provisioning_state")
_ATTACHED_COLUMNS = ("name", "type", "namespace", "default_instance_type", "provisioning_state")


def shown(rest: Any) -> dict[str, Any]:
    """A compute as Azure's command line shows it."""
    return show(record_of(rest["properties"]["computeType"]), rest)


def create(flags: argparse.Namespace, session: Session) -> Any:
    kind = flags.type
    if kind is None and flags.file:
        kind = str(read_document(Path(flags.file)).value.get("type"))
    if record_of(kind) is KUBERNETES:
        return attach(flags, session)
    fields = read(
        AML_COMPUTE,
        "compute",
        file=flags.file,
        given={
            "name": flags.name,
            "type": flags.type,
            "size": flags.size or (None if flags.file else _USUAL_SIZE),
            "min_instances": flags.min_instances,
            "max_instances": flags.max_instances,
            "idle_time_before_scale_down": flags.idle_time_before_scale_down,
            "tier": flags.tier,
            "identity": _identity(flags),
        },
        sets=flags.set,
    )
    name = named(flags, fields, "compute")
    fields.setdefault("max_instances", _USUAL_MAXIMUM)
    made = make(
        session,
        path("computes", name),
        f"compute {name}",
        AML_COMPUTE.sent({**fields, "location": fields.get("location", "local")}),
        new=False,
        no_wait=flags.no_wait,
    )
    return shown(made) if made else None


def attach(flags: argparse.Namespace, session: Session) -> Any:
    """A namespace of the host's cluster."""
    fields = read(
        KUBERNETES,
        "compute",
        file=flags.file,
        given={
            "name": flags.name,
            "type": flags.type or (None if flags.file else "kubernetes"),
            "namespace": flags.namespace,
            "resource_id": flags.resource_id,
            "identity": _identity(flags),
        },
        sets=flags.set,
    )
    name = named(flags, fields, "compute")
    made = make(
        session,
        path("computes", name),
        f"compute {name}",
        KUBERNETES.sent({**fields, "location": fields.get("location", "local")}),
        new=False,
        no_wait=flags.no_wait,
    )
    return shown(made) if made else None


def update(flags: argparse.Namespace, session: Session) -> Any:
    given = {
        "min_instances": flags.min_instances,
        "max_instances": flags.max_instances,
        "idle_time_before_scale_down": flags.idle_time_before_scale_down,
        "identity": _identity(flags),
    }
    there = session.arm.get(path("computes", flags.name))
    changed = change(
        session,
        record_of(there["properties"]["computeType"]),
        path("computes", flags.name),
        f"compute {flags.name}",
        flags=flags,
        given=given,
    )
    return shown(changed) if changed else None


def list_all(flags: argparse.Namespace, session: Session) -> Any:
    found = [shown(rest) for rest in session.arm.pages("computes")]
    wanted = (flags.type or "").lower()
    return [each for each in found if wanted in ("", each["type"])]


def list_sizes(flags: argparse.Namespace, session: Session) -> Any:
    """The instance types that mean something on this host."""
    return [
        {
            "name": each["name"],
            "family": each["family"],
            "v_cp_us": each["vCPUs"],
            "gpus": each["gpus"],
            "memory_gb": each["memoryGB"],
            "low_priority_capable": each["lowPriorityCapable"],
            "supported_compute_types": each["supportedComputeTypes"],
        }
        for each in session.arm.get(f"{_location(session)}/vmSizes")["value"]
    ]


def _identity(flags: argparse.Namespace) -> dict[str, Any] | None:
    """Raises UsageFailed."""
    if not flags.identity_type:
        if flags.user_assigned_identities:
            raise UsageFailed("--user-assigned-identities: with --identity-type user_assigned.")
        return None
    given: dict[str, Any] = {"type": flags.identity_type.lower().replace(", ", ",")}
    ids = [each for each in (flags.user_assigned_identities or "").split(",") if each]
    if ids:
        given["user_assigned_identities"] = [{"resource_id": each} for each in ids]
    return given


def list_usage(flags: argparse.Namespace, session: Session) -> Any:
    """What of the compute is promised, and how much may be."""
    return [
        {
            "name": each["name"],
            "current_value": each["currentValue"],
            "limit": each["limit"],
            "unit": each["unit"],
        }
        for each in session.arm.pages(f"{_location(session)}/usages")
    ]


def list_nodes(flags: argparse.Namespace, session: Session) -> Any:
    """The nodes that a compute has now."""
    answer = session.arm.post(f"{path('computes', flags.name)}/listNodes")
    return [
        {
            "node_id": each["nodeId"],
            "node_state": each["nodeState"],
            "private_ip_address": each.get("privateIpAddress"),
            "run_id": each.get("runId"),
        }
        for each in answer["nodes"]
    ]


def _location(session: Session) -> str:
    """Whatever a location is called, there is one."""
    url, workspace = session.arm.context.url, session.arm.context.workspace
    subscription = "/".join(workspace.split("/")[:3])
    return f"{url}{subscription}/providers/Microsoft.MachineLearningServices/locations/local"


_LOCATION_NAME = flag("-l", "--location", help=argparse.SUPPRESS)
_TYPE = flag("-t", "--type", help=argparse.SUPPRESS)
_SCALE = (
    flag("--min-instances", type=int),
    flag("--max-instances", type=int),
    flag("-d", "--idle-time-before-scale-down", type=int, metavar="SECONDS"),
)
_IDENTITY = (
    flag("--identity-type", metavar="TYPE", help="system_assigned, user_assigned or none"),
    flag("--user-assigned-identities", metavar="IDS", help="theirs, with commas between"),
)
_ATTACHED = (
    flag("--namespace", help="of the host's cluster; default: default"),
    flag("--resource-id", metavar="ARM_ID", help="of the cluster, where it has one"),
)
_ALL = Named("computes", "compute", shown)
GROUP = Group(
    "where models run",
    {
        "create": Verb(
            create,
            "Make or replace a compute.",
            (
                FILE,
                NAME,
                flag("-t", "--type", help="amlcompute, or kubernetes: as attach does"),
                flag("--size", help="the instances' type"),
                flag("--tier", help="dedicated or low_priority"),
                *_SCALE,
                *_ATTACHED,
                *_IDENTITY,
                SET,
                NO_WAIT,
            ),
            _COLUMNS,
        ),
        "attach": Verb(
            attach,
            "Attach a namespace of the host's Kubernetes cluster, with instance types.",
            (
                FILE,
                NAME,
                flag("-t", "--type", help="kubernetes"),
                *_ATTACHED,
                *_IDENTITY,
                SET,
                NO_WAIT,
            ),
            _ATTACHED_COLUMNS,
        ),
        "update": Verb(
            update,
            "Change a compute.",
            (NAME_NEEDED, *_SCALE, *_IDENTITY, *UPDATES, NO_WAIT),
            _COLUMNS,
        ),
        "show": Verb(_ALL.show, "Show a compute.", (NAME_NEEDED,), _COLUMNS),
        "list": Verb(
            list_all, "List computes.", (flag("-t", "--type", help="of one type"),), _COLUMNS
        ),
        "list-sizes": Verb(
            list_sizes,
            "The instance types that there are here.",
            (_LOCATION_NAME, _TYPE),
            ("name", "v_cp_us", "memory_gb", "gpus"),
        ),
        "list-usage": Verb(list_usage, "How much of the compute is promised.", (_LOCATION_NAME,)),
        "list-nodes": Verb(list_nodes, "The nodes that it has now.", (NAME_NEEDED,)),
        "delete": Verb(_ALL.delete, "Delete a compute.", (NAME_NEEDED, YES, NO_WAIT)),
        "detach": Verb(
            _ALL.delete, "Detach a namespace, which stays as it is.", (NAME_NEEDED, YES, NO_WAIT)
        ),
    },
    {
        "start": "workers come with jobs and go after them.",
        "stop": "workers come with jobs and go after them.",
        "restart": "workers come with jobs and go after them.",
    },
)
