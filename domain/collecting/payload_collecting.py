"""Requests and answers as they pass, kept for those who look at how a model does."""

from functools import partial
from typing import Final
from uuid import uuid4

from domain.collecting.collected_record import JSON, CollectedRecord, sampled
from domain.collecting.instance_records import InstanceRecords
from domain.collecting.record_writing import Collector, Lost, RecordWriting
from domain.online.monitoring.data_collector import REQUEST, RESPONSE
from domain.ports import Clock
from domain.scoring.exchange_taps import Tap
from domain.scoring.request_record import Listener, RequestRecord
from domain.scoring.route import DeploymentRoute, Route
from domain.scoring.scoring_bodies import Missing
from domain.scoring.scoring_exchange import SWAGGER, Exchange

_PLAIN: Final = "application/octet-stream"
_LOST: Final = {Missing.TOO_LARGE: Lost.TOO_LARGE, Missing.INCOMPLETE: Lost.INCOMPLETE}


class PayloadCollecting(Tap):
    """One gateway's part in data collectors: `request` and `response` it fills itself, for the
    others it has `instances` asked. Bodies larger than `max_bytes` are counted as lost."""

    def __init__(
        self,
        writing: RecordWriting,
        instances: InstanceRecords,
        clock: Clock,
        *,
        max_bytes: int,
    ) -> None:
        self.writing = writing
        self._instances = instances
        self._clock = clock
        self._max_bytes = max_bytes

    def wants(self, route: Route) -> bool:
        return any(_collects(each) for each in route.deployments.values())

    def listen(self, exchange: Exchange) -> Listener | None:
        deployment, call = exchange.deployment, exchange.call
        if deployment is None or deployment.collector is None:
            return None
        if call.method == "OPTIONS" or call.path == SWAGGER:
            return None
        rules = deployment.collector
        kept = []
        for name in (REQUEST, RESPONSE):
            found = rules.of_gateway(name)
            if found and sampled(exchange.headers.request_id, found[1].sampling_rate):
                kept.append((name, found[0]))
                keep = exchange.keep_request if name == REQUEST else exchange.keep_answer
                keep(self._max_bytes)
        if not kept and not rules.of_script:
            return None
        collector = Collector(call.endpoint, deployment.name, rules)
        return partial(self._ended, exchange, collector, deployment.workload_key, dict(kept))

    async def close(self, *, grace: float) -> None:
        await self._instances.close(grace=grace / 2)
        await self.writing.close(grace=grace / 2)

    def _ended(
        self,
        exchange: Exchange,
        collector: Collector,
        key: str,
        kept: dict[str, str],
        record: RequestRecord,
    ) -> None:
        if record.model_status is not None and collector.rules.of_script:
            self._instances.notice(key, collector)
        if REQUEST in kept and exchange.request is not None:
            body = exchange.request_body(self._max_bytes)
            self._keep(exchange, collector, kept[REQUEST], body, {})
        if RESPONSE in kept and exchange.response is not None:
            body = exchange.answer_body(self._max_bytes)
            status = {"statuscode": str(record.code)}
            self._keep(exchange, collector, kept[RESPONSE], body, status)

    def _keep(
        self,
        exchange: Exchange,
        collector: Collector,
        collection: str,
        body: bytes | Missing,
        more: dict[str, str],
    ) -> None:
        if isinstance(body, Missing):
            self.writing.lose(collector, collection, _LOST[body])
            return
        call, response = exchange.call, exchange.response
        headers = call.headers
        if more and response is not None:
            headers = list(response.headers)
        captured = collector.rules.headers
        # The query may carry what nobody is to read, and rules know nothing of it.
        query = f"?{call.query}" if call.query and collector.rules.redaction is None else ""
        request_id = exchange.headers.request_id
        attributes = {
            "path": f"{call.path}{query}"[:2000],
            "method": call.method,
            **more,
            "xrequestid": request_id,
            **{
                f"header{name.replace('-', '').replace('_', '')}": value[:1000]
                for name, value in headers
                if name in captured
            },
        }
        if exchange.headers.client_request_id:
            attributes["xmsclientrequestid"] = exchange.headers.client_request_id
        content_type = next((value for name, value in headers if name == "content-type"), "")
        self.writing.put(
            collector,
            collection,
            CollectedRecord(
                id=str(uuid4()),
                time=self._clock.now(),
                correlation=request_id,
                content_type=content_type.partition(";")[0].strip() or _looks_like(body),
                data=body,
                attributes=attributes,
            ),
        )


def _collects(deployment: DeploymentRoute) -> bool:
    return deployment.collector is not None and bool(deployment.collector.enabled)


def _looks_like(body: bytes) -> str:
    """The type of what comes without one: of scoring scripts it is JSON."""
    return JSON if body[:1] in b'{["' else _PLAIN
