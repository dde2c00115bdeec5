"""The verbs that models, environments and data share, with the flags of `az ml`."""

import argparse
import re
from collections.abc import Callable
from typing import Any

from cli.assets.registering import COLLECTIONS, register
from cli.documents.reading import difference, pairs, read
from cli.failures import UsageFailed
from cli.host.arm import path
from cli.kinds.types import Json, Record
from cli.resources import FILE, MAX_RESULTS, NAME, NAME_NEEDED, NO_WAIT, SET, UPDATES, creation
from cli.verbs import Flag, Session, Verb, flag

COLUMNS = ("name", "version", "type", "path", "image", "created_at")
_STAGED = ("model", "environment")
_STAGE = flag("-s", "--stage", help="versions of it alone, such as Production; None: of none")
_DIGEST = re.compile(r"[0-9a-f]{64}")
VERSION = flag("-v", "--version", help="its version")
LABEL = flag("-l", "--label", help="latest (the newest version), or one that `label` gave")
_LINEAGE = ("relation", "kind", "name", "endpoint", "state", "data", "created_at")


class AssetVerbs:
    """The verbs of one kind of asset: `model`, `environment` or `data`."""

    def __init__(self, kind: str, record: Record) -> None:
        self.kind = kind
        self._record = record
        self._collection = COLLECTIONS[kind]

    def shown(self, rest: Json) -> dict[str, Any]:
        """A version as Azure's command line shows it."""
        created = creation(rest)
        return {
            "name": rest["id"].split("/")[-3],
            "version": rest["name"],
            **self._record.shown(rest),
            "id": rest["id"],
            "created_at": created.get("created_at"),
            "creation_context": created,
            "resourceGroup": rest["id"].split("/")[4],
        }

    def create(self, given: Callable[[argparse.Namespace], dict[str, Any]]) -> Callable[..., Any]:
        """The verb that registers a version; `given` takes its fields from the flags."""

        def run(flags: argparse.Namespace, session: Session) -> Any:
            fields = read(
                self._record,
                self.kind,
                file=flags.file,
                given={"name": flags.name, "version": flags.version, **given(flags)},
                sets=flags.set,
            )
            return self.shown(register(session.arm, self.kind, fields))

        return run

    def show(self, flags: argparse.Namespace, session: Session) -> Any:
        if flags.version is None and flags.label is None:
            container = session.arm.get(path(self._collection, flags.name))
            return {
                "name": container["name"],
                "id": container["id"],
                "latest_version": container["properties"].get("latestVersion"),
                "labels": container["properties"].get("labels") or {},
                "creation_context": creation(container),
            }
        return self.shown(session.arm.get(self._where(flags, session)))

    def list(self, flags: argparse.Namespace, session: Session) -> Any:
        view = "All" if flags.include_archived else "ActiveOnly"
        view = "ArchivedOnly" if flags.archived_only else view
        found = []
        where, show = self._collection, self._container
        if flags.name:
            where, show = f"{path(self._collection, flags.name)}/versions", self.shown
        narrowed = {}
        if flags.name:
            narrowed = {"stage": getattr(flags, "stage", None), "tags": ",".join(flags.tag or ())}
        elif getattr(flags, "stage", None) or flags.tag:
            raise UsageFailed("Versions have stages and tags, names have none: give --name, too.")
        asked = {each: value for each, value in narrowed.items() if value}
        for rest in session.arm.pages(where, listViewType=view, **asked):
            if rest["properties"].get("isAnonymous") or _DIGEST.fullmatch(rest["name"]):
                continue  # Made for one deployment, under its content's hash.
            found.append(show(rest))
            if flags.max_results and len(found) >= flags.max_results:
                break
        return found

    def update(self, flags: argparse.Namespace, session: Session) -> Any:
        if not flags.name or not (flags.version or flags.label):
            raise UsageFailed("Which version? `--name` and `--version`.")
        where = self._where(flags, session)
        rest = session.arm.get(where)
        base = {name: each for name, each in self._record.shown(rest).items() if name != "path"}
        fields = read(
            self._record,
            self.kind,
            base=base,
            sets=flags.set,
            adds=flags.add,
            removes=flags.remove,
            given={"name": flags.name, "path": self._record.shown(rest).get("path")},
        )
        patch = difference(self._record.sent(base), self._record.sent(fields))
        patch.get("properties", {}).pop("modelUri", None)
        patch.get("properties", {}).pop("dataUri", None)
        session.arm.wait(session.arm.change("PATCH", where, patch))
        return self.shown(session.arm.get(where))

    def archive(self, *, archived: bool) -> Callable[..., Any]:
        """The verb that takes a version, or all of a name, out of lists, or puts it back."""

        def run(flags: argparse.Namespace, session: Session) -> Any:
            where = path(self._collection, flags.name)
            if flags.version or flags.label:
                where = self._where(flags, session)
            rest = session.arm.get(where)
            body = {"properties": {**rest["properties"], "isArchived": archived}}
            session.arm.wait(session.arm.change("PUT", where, body))

        return run

    def label(self, flags: argparse.Namespace, session: Session) -> Any:
        """Give a label to a version, or take it away with `--remove`."""
        where = path(self._collection, flags.name, "labels", flags.label)
        if flags.remove:
            session.arm.wait(session.arm.change("DELETE", where))
            return None
        if flags.version is None:
            raise UsageFailed("Which version is to have the label? `--version`.")
        body = {"properties": {"version": flags.version}}
        session.arm.wait(session.arm.change("PUT", where, body))
        return {
            "name": flags.name,
            "label": flags.label,
            "version": session.arm.get(where)["properties"]["version"],
        }

    def lineage(self, flags: argparse.Namespace, session: Session) -> Any:
        """What made a version and what uses it, newest first."""
        where = f"{self._where(flags, session)}/lineage"
        found = [_entry(rest) for rest in session.arm.pages(where, **{"$top": "1000"})]
        found.sort(key=lambda each: str(each["created_at"] or ""), reverse=True)
        return found

    def delete(self, flags: argparse.Namespace, session: Session) -> Any:
        from cli.resources import delete

        delete(session, self._where(flags, session), f"{self.kind} {flags.name}", flags)

    def where(self, flags: argparse.Namespace, session: Session) -> str:
        """The version that the flags name. Raises UsageFailed and NotFound."""
        return self._where(flags, session)

    def _where(self, flags: argparse.Namespace, session: Session) -> str:
        version = flags.version
        if version is None:
            if flags.label is None:
                raise UsageFailed("Which version? `--version`, or `--label latest`.")
            label = session.arm.get(path(self._collection, flags.name, "labels", flags.label))
            version = label["properties"]["version"]
        return path(self._collection, flags.name, "versions", version)

    def _container(self, rest: Json) -> dict[str, Any]:
        return {
            "name": rest["name"],
            "latest_version": rest["properties"].get("latestVersion"),
            "id": rest["id"],
            "created_at": creation(rest).get("created_at"),
            "creation_context": creation(rest),
        }

    def verbs(
        self, given: Callable[[argparse.Namespace], dict[str, Any]], more: tuple[Flag, ...]
    ) -> dict[str, Verb]:
        """Every verb; `more` are the flags of `create` that are this kind's own."""
        noun = self.kind
        columns = ("name", "latest_version", *COLUMNS[1:])
        return {
            "create": Verb(
                self.create(given),
                f"Register a version of a {noun}: of the same content, it is the same version.",
                (FILE, NAME, VERSION, *more, SET, NO_WAIT),
                COLUMNS,
            ),
            "show": Verb(self.show, f"Show a {noun}.", (NAME_NEEDED, VERSION, LABEL), columns),
            "list": Verb(
                self.list,
                f"List names, or with --name the versions of one {noun}.",
                (
                    NAME,
                    flag("--include-archived", action="store_true", help="archived ones too"),
                    flag("--archived-only", action="store_true", help="archived ones alone"),
                    flag("--tag", nargs="+", help="those with it: NAME, or NAME=VALUE"),
                    *((_STAGE,) if noun in _STAGED else ()),
                    MAX_RESULTS,
                ),
                columns,
            ),
            "label": Verb(
                self.label,
                "Give a label to a version, and take it from the one that had it: "
                f"azureml:NAME@LABEL is then that {noun}.",
                (
                    NAME_NEEDED,
                    VERSION,
                    flag("-l", "--label", required=True, help="such as champion"),
                    flag("--remove", action="store_true", help="take it away"),
                ),
                ("name", "label", "version"),
            ),
            "lineage": Verb(
                self.lineage,
                f"What made a {noun}, and the deployments, jobs and schedules that use it.",
                (NAME_NEEDED, VERSION, LABEL),
                _LINEAGE,
            ),
            "update": Verb(
                self.update, f"Change what is said of a {noun}.", (NAME, VERSION, LABEL, *UPDATES)
            ),
            "archive": Verb(
                self.archive(archived=True), "Take it out of lists.", (NAME_NEEDED, VERSION, LABEL)
            ),
            "restore": Verb(
                self.archive(archived=False),
                "Put it back into lists.",
                (NAME_NEEDED, VERSION, LABEL),
            ),
        }


def _entry(rest: Json) -> dict[str, Any]:
    read = rest.get("inputs") or {}
    return {
        "relation": rest["relation"],
        "kind": rest["kind"],
        "name": rest["name"],
        "endpoint": rest["endpointName"],
        "state": rest["state"],
        "data": ", ".join(str(each["assetId"] or each["uri"]) for each in read.values()),
        "inputs": read,
        "id": rest["id"],
        "created_at": rest["createdAt"],
        "created_by": rest["createdBy"],
    }


def tags(flags: argparse.Namespace) -> dict[str, str] | None:
    """`--tags a=1 b=2`."""
    return pairs(flags.tags, "--tags")
