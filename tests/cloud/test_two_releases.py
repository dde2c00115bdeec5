"""Hosts of the last release and of this code at once on one set of cloud stores, as a rolling
update has them: each goes on with what the other has begun, in both directions."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from outside import serving
from outside.running_host import RunningHost
from tests.cloud import jobs
from tests.e2e.host.released import last_release
from tests.kit.hosts.forking import forked
from tests.kit.waiting import until
from tests.servers.required import REQUIRE

pytestmark = pytest.mark.skipif(
    not os.environ.get(REQUIRE), reason=f"hosts of two releases meet where {REQUIRE}=1, as in CI"
)


@dataclass(frozen=True)
class Pair:
    old: RunningHost
    new: RunningHost

    @property
    def both(self) -> tuple[RunningHost, RunningHost]:
        return self.old, self.new


@pytest.fixture(scope="module")
def pair(installation: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("hosts")
    given: dict[str, Any] = {"environment": installation, "launch": forked}
    arguments = ("--http", "--port", "0")
    released = last_release(tmp_path_factory.mktemp("released"))
    known = json.loads((released / "local.settings.sample.json").read_text())["Values"]
    told = {k: v for k, v in installation.items() if k in known or not k.startswith("ML_")}
    old = RunningHost(folder / "old", *arguments, environment=told)
    old.code = released
    with old, RunningHost(folder / "new", *arguments, **given) as new:
        serving.environment(old)
        yield Pair(old, new)
        faults = [*old.faults(), *new.faults()]
    assert not faults, f"the hosts logged errors: {faults}"


def test_what_either_deploys_both_serve_and_a_key_that_either_changes_both_refuse(
    pair: Pair,
) -> None:
    for maker, other in (pair.both, pair.both[::-1]):
        name = f"by-{maker.data_dir.name}"
        jobs.online(maker, name)
        key = serving.key(other, name)
        for host in pair.both:
            jobs.answers(host, name, key)
        other.workspace.mutate(
            "POST", f"onlineEndpoints/{name}/regenerateKeys", {"keyType": "Primary"}
        )
        until(partial(_refused_by_both, pair, name, key), "a revoked key is refused by both")
        key = serving.key(maker, name)
        for host in pair.both:
            jobs.answers(host, name, key)
        other.workspace.mutate("DELETE", f"onlineEndpoints/{name}")


def _refused_by_both(pair: Pair, name: str, key: str) -> bool:
    return all(jobs.score(host, name, key).status_code == 401 for host in pair.both)


@pytest.mark.parametrize("begun_by", ["old", "new"])
def test_a_job_that_either_begins_runs_on_both_and_ends_on_the_other_alone(
    pair: Pair, begun_by: str
) -> None:
    first, second = pair.both if begun_by == "old" else pair.both[::-1]
    name = f"from-{begun_by}"
    jobs.endpoint(first, name, jobs.SAYS_WHERE_IT_RUNS)
    data, gate = jobs.numbers(first), jobs.Gate(pair.new)
    job = jobs.start(first, name, data, gate)
    met: set[RunningHost] = set()

    def both_are_at_it() -> bool:
        for host in pair.both:
            if waiting := gate.waiting_at(host):
                met.add(host)
            for unit in waiting:
                gate.let_pass(unit)
        return len(met) == 2

    until(both_are_at_it, "units at both hosts", every=2.0)
    first.kill()
    gate.open()
    shown = jobs.completed(second, job)
    rows, failed = jobs.results(second, shown)
    assert jobs.in_order(rows) == jobs.expected()
    assert "07.txt" in failed
    where = {row["where"] for row in jobs.table(rows)}
    assert any(str(second.data_dir) in each for each in where)

    first.start()
    shown = jobs.completed(first, jobs.start(second, name, data))
    assert jobs.in_order(jobs.results(first, shown)[0]) == jobs.expected()
