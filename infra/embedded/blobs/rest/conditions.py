"""The conditions that a request's headers set."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from starlette.datastructures import Headers

from domain import errors
from domain.ports import BlobProperties
from infra.embedded.blobs.rest.properties import about
from infra.embedded.blobs.rest.refusals import Refusal, bad_header
from infra.embedded.blobs.rest.requests import ContainerRequest
from infra.embedded.blobs.stored_blob import Condition, StoredBlob

_NOT_MET = "The condition specified using HTTP conditional header(s) is not met."


@dataclass(frozen=True)
class Conditions:
    """`check_open`: a write is refused where it ends, too, so that none that began before a
    version was registered changes what the version consists of."""

    check_open: Callable[[], None]
    if_match: str | None
    if_none_match: str | None
    if_modified_since: datetime | None
    if_unmodified_since: datetime | None

    @property
    def if_absent(self) -> bool:
        return self.if_none_match == "*"

    @property
    def for_write(self) -> Condition:
        """That nothing be there is for the write itself to see to."""
        return self._check_write

    @property
    def for_change(self) -> Condition:
        """For what needs a blob that is there."""
        return self._check_change

    def check_read(self, blob: BlobProperties) -> None:
        """Raises StaleETag, or the Refusal that says nothing has changed."""
        self._check_same(blob)
        if self.if_none_match is not None:
            unchanged = self.if_none_match in ("*", _bare(blob.etag))
        else:
            since = self.if_modified_since
            unchanged = since is not None and _whole(blob.last_modified) <= since
        if unchanged:
            raise Refusal(304, "ConditionNotMet", _NOT_MET, about(blob))

    def _check_write(self, blob: StoredBlob | None) -> None:
        self.check_open()
        if blob is None:
            if self.if_match is not None:
                raise errors.StaleETag(_NOT_MET)
            return
        self._check_same(blob)
        since = self.if_modified_since
        if self.if_none_match == _bare(blob.etag) or (
            since is not None and _whole(blob.last_modified) <= since
        ):
            raise errors.StaleETag(_NOT_MET)

    def _check_change(self, blob: StoredBlob | None) -> None:
        if self.if_absent and blob is not None:
            raise errors.StaleETag(_NOT_MET)
        self._check_write(blob)

    def _check_same(self, blob: BlobProperties) -> None:
        until = self.if_unmodified_since
        if self.if_match not in (None, "*", _bare(blob.etag)) or (
            until is not None and _whole(blob.last_modified) > until
        ):
            raise errors.StaleETag(_NOT_MET)


def conditions(request: ContainerRequest) -> Conditions:
    """Raises Refusal for a time that is none."""
    headers = request.headers
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    return Conditions(
        request.check_open,
        None if match is None else _bare(match),
        None if none_match is None else _bare(none_match),
        _time(headers, "if-modified-since"),
        _time(headers, "if-unmodified-since"),
    )


def _bare(etag: str) -> str:
    """Without quotes: listings show ETags so, and clients send them back so."""
    return etag.strip().removeprefix("W/").strip('"')


def _whole(time: datetime) -> datetime:
    """As HTTP tells it, in whole seconds."""
    return time.replace(microsecond=0)


def _time(headers: Headers, name: str) -> datetime | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        time = parsedate_to_datetime(value)
    except ValueError:
        raise bad_header(f"{name} is not a time as HTTP writes it.") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
