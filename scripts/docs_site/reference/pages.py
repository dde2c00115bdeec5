"""Every generated page by its path below docs/, made as it is asked for."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from scripts.docs_site.reference.commands import daily_page, resource_page
from scripts.docs_site.reference.error_codes import errors_page
from scripts.docs_site.reference.rest import rest_page
from scripts.docs_site.reference.yaml_fields import yaml_page

REST = "reference/rest.md"


def generated(root: Path, openapi: dict[str, Any]) -> dict[str, str]:
    """The reference, with the REST page of this OpenAPI document."""
    return {
        "reference/commands.md": daily_page(),
        "reference/resource-commands.md": resource_page(),
        "reference/yaml.md": yaml_page(),
        "reference/errors.md": errors_page(root),
        REST: rest_page(openapi),
    }


def openapi_document() -> dict[str, Any]:
    """What a host on this machine serves at /openapi.json."""
    os.environ.setdefault("ML_ENDPOINTS_PLATFORM", "embedded")
    import function_app

    functions = function_app.app.get_functions()
    serving = next(each for each in functions if each.get_function_name() == "get_openapi")
    answer = asyncio.run(serving.get_user_function()(req=None))
    document: dict[str, Any] = json.loads(answer.body)
    return document
