"""`mle model`, with the verbs and flags of `az ml model`."""

import argparse
from pathlib import Path
from typing import Any

from cli.assets.stores import fetch_source
from cli.commands.by_resource.assets import LABEL, VERSION, AssetVerbs, tags
from cli.kinds.assets import MODEL
from cli.resources import NAME_NEEDED, YES
from cli.verbs import Group, Session, Verb, flag

_VERBS = AssetVerbs("model", MODEL)


def _given(flags: argparse.Namespace) -> dict[str, Any]:
    return {
        "path": flags.path,
        "type": flags.type,
        "stage": flags.stage,
        "datastore": flags.datastore,
        "tags": tags(flags),
    }


def download(flags: argparse.Namespace, session: Session) -> Any:
    """Fetch a model's files into a folder named as it."""
    where = _VERBS.where(flags, session)
    uri = session.arm.get(where)["properties"]["modelUri"]
    target = Path(flags.download_path) / flags.name
    source = fetch_source(session.arm, uri, target)
    count = 1 if source.is_file() else sum(each.is_file() for each in source.rglob("*"))
    return {"path": str(target), "files": count}


GROUP = Group(
    "models, registered",
    {
        **_VERBS.verbs(
            _given,
            (
                flag("-p", "--path", help="a file, a folder, or where one is"),
                flag("-t", "--type", help="custom_model, mlflow_model or triton_model"),
                flag("-s", "--stage", help="such as Production"),
                flag("--datastore", help="where its files are put"),
                flag("--tags", nargs="+", metavar="NAME=VALUE"),
            ),
        ),
        "download": Verb(
            download,
            "Fetch its files.",
            (NAME_NEEDED, VERSION, LABEL, flag("-p", "--download-path", default=".")),
        ),
        "delete": Verb(
            _VERBS.delete,
            "Delete a version.",
            (NAME_NEEDED, VERSION, LABEL, YES, flag("--no-wait", action="store_true")),
        ),
    },
    {
        "share": "there is no registry here: `mle model download`, and `create` where it is to be.",
        "package": "an environment's image is built for its deployment (docs/containers.md).",
    },
)
