"""Sequences of calls by Schemathesis, from the document that the host gives of itself."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, settings

from examples.client import API_VERSION
from outside import serving
from outside.running_host import RunningHost
from tests.fuzz.bodies import NAMES, good_bodies

_GOOD = 0.6
"""Of bodies, those that are sent as they should be."""


class Fuzzed:
    """What came of it: `reached` counts statuses by operation; `faults` are what must not be."""

    def __init__(self) -> None:
        self.reached: dict[str, Counter[int]] = defaultdict(Counter)
        self.faults: list[str] = []

    @property
    def unreached(self) -> list[str]:
        """Operations of which no call came to a 2xx."""
        return sorted(
            name
            for name, statuses in self.reached.items()
            if not any(200 <= status < 300 for status in statuses)
        )


def fuzz(host: RunningHost, *, examples: int, steps: int, seed: int) -> Fuzzed:
    """Play so many sequences of calls against a running host that has the environment `bare`."""
    code = serving.codes(host, "echo", {"score.py": serving.ECHO})
    bodies = good_bodies(host.connection["workspace"], code)
    parts = host.connection["workspace"].split("/")
    fixed = {"subscription": parts[2], "resource_group": parts[4], "workspace": parts[8]}
    ca_file = host.connection["ca_file"] or True
    document = host.workspace.http.get(f"{host.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=host.url)
    chosen, fuzzed, session = random.Random(seed), Fuzzed(), requests.Session()

    class Sequences(schema.as_state_machine()):  # type: ignore[misc]  # made when it runs
        def before_call(self, case: Any) -> None:
            _place(case, fixed, chosen)
            good = bodies.get(case.operation.definition.raw.get("operationId"))
            if good is not None and chosen.random() < _GOOD:
                case.body, case.media_type = good, "application/json"
            case.query = {"api-version": API_VERSION}

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            token = {"Authorization": f"Bearer {host.workspace.token()}"}
            return {"headers": token, "verify": ca_file, "session": session}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            name = str(case.operation.definition.raw.get("operationId"))
            fuzzed.reached[name][response.status_code] += 1
            fault = _fault(response)
            if fault:
                fuzzed.faults.append(f"{name}: {fault}: {case.as_curl_command()[:2000]}")

    with session:
        Sequences.run(
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=[
                    HealthCheck.too_slow,
                    HealthCheck.filter_too_much,
                    HealthCheck.data_too_large,
                ],
            )
        )
    return fuzzed


def _place(case: Any, fixed: Mapping[str, str], chosen: random.Random) -> None:
    for name in case.path_parameters or {}:
        if name in fixed:
            case.path_parameters[name] = fixed[name]
        elif name in NAMES and chosen.random() < 0.9:
            case.path_parameters[name] = chosen.choice(NAMES[name])


def _fault(response: Any) -> str:
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
