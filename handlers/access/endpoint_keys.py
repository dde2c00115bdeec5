"""The two keys of an endpoint that takes keys, online or batch: both told, one replaced."""

from abc import abstractmethod
from typing import Any, Protocol

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response

from domain.ground.keys import Keys, KeyType
from domain.ground.resource import Accepted
from domain.values import Value
from handlers import wire
from handlers.auditing import Kept
from handlers.http import Routes, caller, json_response


class RegenerateKeys(Value):
    key_type: KeyType
    key_value: str | None = None


class KeyIssuing(Protocol):
    """What is done with the keys of one kind of endpoint."""

    @abstractmethod
    async def keys(self, endpoint: str) -> Keys: ...

    @abstractmethod
    async def regenerate_key(
        self, endpoint: str, which: KeyType, value: str | None, caller: str
    ) -> Accepted[Any]: ...


def add(routes: Routes, blueprint: func.Blueprint, kind: str, keys: KeyIssuing) -> None:
    """`kind` is `online` or `batch`."""
    actions = f"{kind}Endpoints"
    item = f"{actions}/{{endpoint}}"
    article = "an online" if kind == "online" else "a batch"

    @routes.arm(
        blueprint,
        "POST",
        f"{item}/listKeys",
        name=f"list_{kind}_endpoint_keys",
        action=f"{actions}/listKeys/action",
        summary=f"Both keys of {article} endpoint",
        answer=Keys,
        kept=Kept.SECRET,
    )
    async def list_keys(req: Request) -> Response:
        found = await keys.keys(req.path_params["endpoint"])
        return json_response(wire.to_wire(found), headers={"Cache-Control": "no-store"})

    @routes.arm(
        blueprint,
        "POST",
        f"{item}/regenerateKeys",
        name=f"regenerate_{kind}_endpoint_key",
        action=f"{actions}/regenerateKeys/action",
        summary=f"Replace one key of {article} endpoint",
        body=RegenerateKeys,
        statuses=(202,),
    )
    async def regenerate_key(req: Request) -> Response:
        asked = await wire.read(req, RegenerateKeys)
        accepted = await keys.regenerate_key(
            req.path_params["endpoint"], asked.key_type, asked.key_value, caller(req).id
        )
        return routes.accepted(accepted.operation)
