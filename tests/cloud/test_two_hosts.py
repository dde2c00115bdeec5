"""Two hosts at once on one set of cloud stores, each with a compute of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from outside import scoring_files, serving
from outside.running_host import RunningHost
from tests.cloud import jobs
from tests.kit.hosts.forking import forked
from tests.kit.waiting import until


@dataclass(frozen=True)
class Pair:
    """`one` issues the tokens that both take."""

    one: RunningHost
    other: RunningHost

    @property
    def both(self) -> tuple[RunningHost, RunningHost]:
        return self.one, self.other

    def share_tokens(self) -> None:
        connection = self.one.workspace.connection
        for name in ("token_url", "client_id", "client_secret"):
            self.other.workspace.connection[name] = connection[name]


@pytest.fixture(scope="module")
def pair(installation: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("hosts")
    arguments = ("--http", "--port", "0")
    forks: dict[str, Any] = {"environment": installation, "launch": forked}
    with RunningHost(folder / "one", *arguments, **forks) as one:
        forks["environment"] = {**installation, "ML_ENDPOINTS_TOKEN_ISSUER": one.url}
        with RunningHost(folder / "other", *arguments, **forks) as other:
            pair = Pair(one, other)
            pair.share_tokens()
            serving.environment(one)
            yield pair
            faults = [*one.faults(), *other.faults()]
    assert not faults, f"the hosts logged errors: {faults}"


def test_what_is_deployed_changed_and_deleted_through_one_is_so_on_the_other(pair: Pair) -> None:
    one, other = pair.both
    for host in pair.both:
        until(partial(_says_its_limit, host), "the limit is said at start")
    jobs.online(one, "both")
    key = serving.key(other, "both")
    for host in pair.both:
        jobs.answers(host, "both", key)

    one.workspace.mutate("POST", "onlineEndpoints/both/regenerateKeys", {"keyType": "Primary"})
    until(
        lambda: all(jobs.score(host, "both", key).status_code == 401 for host in pair.both),
        what="a revoked key is refused by both",
    )
    key = serving.key(other, "both")
    for host in pair.both:
        jobs.answers(host, "both", key)

    other.workspace.mutate("DELETE", "onlineEndpoints/both")
    until(
        lambda: all(jobs.score(host, "both", key).status_code == 404 for host in pair.both),
        what="a deleted endpoint is gone from both",
    )
    until(
        lambda: not one.processes("serve") and not other.processes("serve"),
        what="no instance of a deleted deployment is left on either",
    )


def _says_its_limit(host: RunningHost) -> bool:
    return "instances_each_host" in host.log()


def test_a_client_that_one_removes_is_refused_by_both(pair: Pair) -> None:
    one, other = pair.both
    path = f"{one.connection['workspace']}/clients/short"
    made = one.workspace.http.put(
        one.url + path, json={"properties": {"role": "reader"}}, headers=one.bearer()
    ).json()["properties"]
    form = {
        "grant_type": "client_credentials",
        "client_id": made["clientId"],
        "client_secret": made["clientSecret"],
    }
    token = one.workspace.http.post(one.workspace.connection["token_url"], data=form).json()
    headers = {"authorization": f"Bearer {token['access_token']}"}

    def reads(host: RunningHost) -> int:
        url = f"{host.url}{one.connection['workspace']}/onlineEndpoints"
        return host.workspace.http.get(url, headers=headers).status_code

    until(lambda: {reads(host) for host in pair.both} == {200}, what="both take its token")
    refused = other.workspace.http.put(
        other.url + path, json={"properties": {"role": "owner"}}, headers=other.bearer()
    )
    assert (refused.status_code, one.url in refused.text) == (400, True)
    one.workspace.http.delete(one.url + path, headers=one.bearer())
    until(lambda: {reads(host) for host in pair.both} == {401}, what="both refuse its token")


def test_both_score_units_of_one_job_and_go_on_when_one_is_killed(
    pair: Pair,
) -> None:
    one, other = pair.both
    jobs.endpoint(one, "squares", jobs.SAYS_WHERE_IT_RUNS)
    data = jobs.numbers(one)
    gate = jobs.Gate(one)
    job = jobs.start(other, "squares", data, gate)
    seen: set[RunningHost] = set()

    def both_are_at_it() -> bool:
        for host in pair.both:
            if waiting := gate.waiting_at(host):
                seen.add(host)
            for unit in waiting:
                gate.let_pass(unit)
        return len(seen) == 2

    # One host may have all that is sent at a time: then the other gets its chance with the next.
    until(both_are_at_it, "units at both hosts", every=2.0)
    gate.open()
    shown = jobs.completed(other, job)
    rows, _ = jobs.results(other, shown)
    assert jobs.in_order(rows) == jobs.expected()
    where = {row["where"] for row in jobs.table(rows)}
    for host in pair.both:
        assert any(str(host.data_dir) in place for place in where), where
        assert _told(scoring_files.job(host, job)) == _told(shown)
    until(
        lambda: not one.processes(" work ") and not other.processes(" work "),
        what="no worker of an ended job is left on either",
    )

    gate = jobs.Gate(one)
    job = jobs.start(one, "squares", data, gate)

    def the_other_is_at_it() -> bool:
        if gate.waiting_at(other):
            return True
        for unit in gate.waiting_at(one):
            gate.let_pass(unit)
        return False

    until(the_other_is_at_it, "a unit at the other host", every=2.0)
    other.kill()
    gate.open()
    shown = jobs.completed(one, job)
    rows, failed = jobs.results(one, shown)
    assert jobs.in_order(rows) == jobs.expected()
    assert "07.txt" in failed

    other.start()
    pair.share_tokens()
    assert _told(scoring_files.job(other, job)) == _told(shown)
    shown = jobs.completed(one, jobs.start(other, "squares", data))
    assert jobs.in_order(jobs.results(other, shown)[0]) == jobs.expected()


def _told(job: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on who is asked: all but addresses, which are the host's own."""
    return {k: v for k, v in job.items() if k not in ("interactionEndpoints", "services")}
