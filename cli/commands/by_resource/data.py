"""`mle data`, with the verbs and flags of `az ml data`."""

import argparse
from typing import Any

from cli.commands.by_resource.assets import AssetVerbs, tags
from cli.kinds.assets import DATA
from cli.verbs import Group, flag

_VERBS = AssetVerbs("data", DATA)


def _given(flags: argparse.Namespace) -> dict[str, Any]:
    return {"path": flags.path, "type": flags.type, "tags": tags(flags)}


GROUP = Group(
    "data that batch jobs read",
    _VERBS.verbs(
        _given,
        (
            flag("-p", "--path", help="a file, a folder, or where one is"),
            flag("-t", "--type", help="uri_folder, uri_file or mltable"),
            flag("--tags", nargs="+", metavar="NAME=VALUE"),
        ),
    ),
    {
        "mount": "jobs read it where it is; azcopy fetches files of the store (docs/blob-rest.md).",
        "import": "`mle data create --path` takes files, folders and addresses.",
        "share": "there is no registry here: `mle data create` where it is to be.",
    },
)
