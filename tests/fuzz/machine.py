"""Calls by Schemathesis, in sequences and each operation by itself, from the document that the host
gives of itself."""

import contextlib
import itertools
import random
from collections import Counter, defaultdict
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Flaky
from schemathesis.core.result import Ok

from examples.client import API_VERSION
from outside import serving
from outside.running_host import RunningHost
from tests.fuzz.resources import KEPT, Resources

_GOOD = 0.6
"""Of bodies and queries, those that are sent as they should be."""
_BY_HOST = "_by_host"
HOST_ENVIRONMENT = {"ML_ENDPOINTS_LOG_TRAFFIC": "true"}
"""What there is to be read only where it is asked for."""
MODEL_STATUS = "ms-azureml-model-error-statuscode"


class Fuzzed:
    """What came of it: `reached` counts statuses by operation, of each of which `last` has what was
    told last; `faults` are what must not be."""

    def __init__(self) -> None:
        self.reached: dict[str, Counter[int]] = defaultdict(Counter)
        self.last: dict[str, str] = {}
        self.faults: list[str] = []
        self.sequences = 0

    @property
    def unreached(self) -> list[str]:
        """Operations of which no call came to a 2xx."""
        return sorted(
            name
            for name, statuses in self.reached.items()
            if not any(200 <= status < 300 for status in statuses)
        )

    def see(self, name: str, answer: Any, told: str) -> None:
        self.reached[name][answer.status_code] += 1
        self.last[name] = f"{answer.status_code} {answer.content[:300].decode(errors='replace')}"
        fault = _fault(answer)
        if fault:
            self.faults.append(f"{name}: {fault}: {told}")


class _Calls:
    """How a call goes out, and what its answer is held to."""

    def __init__(self, host: RunningHost, seed: int) -> None:
        self._host = host
        self._chosen = random.Random(seed)
        self._resources = Resources(host)
        self.fuzzed = Fuzzed()
        self._session = requests.Session()

    def prepare(self, case: Any) -> None:
        good = self._resources.bodies.good(_name(case))
        if good is not None and self._chosen.random() < _GOOD:
            case.body, case.media_type = good, "application/json"
        changes = case.method.upper() == "DELETE" or (
            case.method.upper() in ("PUT", "PATCH") and case.body is not good
        )
        places = self._resources.places(_name(case), case.path, self._chosen, changes=changes)
        for name in case.path_parameters or {}:
            if name in places:
                case.path_parameters[name] = places[name]
        if self._chosen.random() < _GOOD:
            case.query = {}
        case.query = {**(case.query or {}), "api-version": API_VERSION}

    def options(self, case: Any) -> dict[str, Any]:
        scores = _name(case).startswith(("score_", "get_online_endpoint_openapi"))
        host = self._host
        token = serving.key(host, KEPT) if scores else host.workspace.token()
        headers = {"Authorization": f"Bearer {token}", "WebHook-Request-Origin": "events.example"}
        if _name(case).endswith(_BY_HOST):
            headers["Host"] = f"{KEPT}.localhost"
        ca_file = self._host.connection["ca_file"] or True
        return {"headers": headers, "verify": ca_file, "session": self._session}

    def see(self, case: Any, answer: Any) -> None:
        self._resources.see(answer)
        self.fuzzed.see(_name(case), answer, case.as_curl_command()[:2000])


def fuzz(host: RunningHost, *, examples: int, steps: int, seed: int) -> Fuzzed:
    """Play so many sequences of calls, of so many steps at most, against a running host, then each
    operation by itself, a tenth as often."""
    calls = _Calls(host, seed)
    document = host.workspace.http.get(f"{host.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=host.url)
    _play(schema, calls, examples=examples, steps=steps, seed=seed)
    if examples >= 10:
        for found in schema.get_all_operations():
            if isinstance(found, Ok):
                _play_one(found.ok(), calls, examples=examples // 10, seed=seed)
    return calls.fuzzed


def _play(schema: Any, calls: _Calls, *, examples: int, steps: int, seed: int) -> None:
    fuzzed = calls.fuzzed

    class Sequences(schema.as_state_machine()):  # type: ignore[misc]  # made when it runs
        def teardown(self) -> None:
            super().teardown()
            fuzzed.sequences += 1

        def before_call(self, case: Any) -> None:
            calls.prepare(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return calls.options(case)

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            calls.see(case, response)

    for number in itertools.count(seed):
        if fuzzed.sequences >= examples:
            return
        # A host's answers differ as it goes on: where Hypothesis finds that the same choices led
        # elsewhere, it begins anew with others.
        with contextlib.suppress(Flaky):
            seeded(number)(Sequences).run(
                settings=_settings(examples - fuzzed.sequences, stateful_step_count=steps)
            )


def _play_one(operation: Any, calls: _Calls, *, examples: int, seed: int) -> None:
    @seeded(seed)
    @_settings(examples)
    @given(case=operation.as_strategy())
    def play(case: Any) -> None:
        calls.prepare(case)
        calls.see(case, case.call(**calls.options(case)))

    play()


def _settings(max_examples: int, **more: Any) -> settings:
    return settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
        ],
        **more,
    )


def _name(case: Any) -> str:
    return str(case.operation.definition.raw.get("operationId"))


def _fault(response: Any) -> str:
    if MODEL_STATUS in response.headers:
        return ""  # It is the model's own answer.
    if response.status_code >= 500 and response.status_code != 507:
        return f"{response.status_code} {response.text[:300]}"
    if response.status_code >= 400:
        try:
            error = response.json()["error"]
            told = bool(error["code"] and error["message"])
        except (ValueError, KeyError, TypeError):
            told = False
        if not told and response.request.method != "HEAD":
            return f"{response.status_code} without ARM's envelope: {response.text[:200]}"
    return ""
