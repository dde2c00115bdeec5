"""`mle environment`, with the verbs and flags of `az ml environment`."""

import argparse
from typing import Any

from cli.commands.by_resource.assets import AssetVerbs, tags
from cli.kinds.assets import ENVIRONMENT
from cli.verbs import Group, flag

_VERBS = AssetVerbs("environment", ENVIRONMENT)


def _given(flags: argparse.Namespace) -> dict[str, Any]:
    build = None
    if flags.build_context:
        build = {"path": flags.build_context}
        if flags.dockerfile_path:
            build["dockerfile_path"] = flags.dockerfile_path
    return {
        "image": flags.image,
        "conda_file": flags.conda_file,
        "build": build,
        "os_type": flags.os_type,
        "tags": tags(flags),
    }


GROUP = Group(
    "what scoring scripts run in",
    _VERBS.verbs(
        _given,
        (
            flag("-i", "--image", help="a container image"),
            flag("-c", "--conda-file", help="a conda file"),
            flag("-b", "--build-context", help="a folder with a Dockerfile"),
            flag("-d", "--dockerfile-path", help="the Dockerfile in there"),
            flag("--os-type", help="linux"),
            flag("--tags", nargs="+", metavar="NAME=VALUE"),
        ),
    ),
)
