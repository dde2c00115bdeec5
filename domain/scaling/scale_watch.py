"""That autoscaled deployments are being looked at, where messages have it done."""

from datetime import datetime

from domain.ground.messages import LookAtScales
from domain.ports import Document, Json
from domain.values import Value

KIND = "scaleWatch"
PARTITION = "scale-watch"
ID = "watch"


class ScaleWatch(Value):
    """`looked_at` is when the last look began; none while nobody is awake who could be looked
    at."""

    chain: int = 0
    tick: int = 0
    is_running: bool = False
    looked_at: datetime | None = None


def to_body(watch: ScaleWatch) -> Json:
    return {"kind": KIND, "watch": watch.to_document()}


def watch_of(document: Document) -> ScaleWatch:
    return ScaleWatch.from_document(document.body["watch"])


def message_for(watch: ScaleWatch) -> LookAtScales:
    return LookAtScales(chain=watch.chain, tick=watch.tick)
