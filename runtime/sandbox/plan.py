"""What is to hold of one command."""

from __future__ import annotations

import json
from typing import NamedTuple


class Plan(NamedTuple):
    """`command` runs in `folder` with `environment`, and with nothing of the variables of the
    process that runs this.

    Of the machine's files it sees the system's own and what is `readable`; of the folder `hidden`,
    wherever that is, nothing but that. `writable` are paths from that folder: they become its own,
    and are where they would be from `written`. What is `shared` it may write as far as its user
    may. `home` is its `/tmp`, where it
    has namespaces. It is given the socket that is made at `socket`, listening, as
    `--socket fd:N`. It joins the `cgroups` (their files of processes) and has the `cores`; empty:
    those there are.

    `namespaces`: "root", those that root may have; "user", those that a user may; else "" and no
    process of its own looks after it. `user` is who it becomes, if root. Without `network` it has
    none."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    readable: list[str]
    writable: list[str]
    shared: list[str]
    hidden: str
    written: str
    home: str
    root: str
    """An empty folder, where its view of the files is put together."""
    socket: str = ""
    namespaces: str = ""
    user: int = 0
    landlock: bool = False
    network: bool = True
    cgroups: list[str] = []
    cores: list[int] = []


def parse(text: bytes) -> Plan:
    return Plan(**json.loads(text))
