"""The main job on one host over the cloud adapters: deploy, score, and a batch job whose host
is killed. A topic is told of it all."""

from pathlib import Path

from outside import scoring_files, serving
from outside.running_host import RunningHost
from tests.cloud import events, jobs
from tests.kit.waiting import until


def test_a_host_killed_in_a_job_leaves_the_output_of_an_undisturbed_one(
    installation: dict[str, str], tmp_path: Path
) -> None:
    with RunningHost(tmp_path / "data", "--http", "--port", "0", environment=installation) as host:
        events.subscribe(host, "facts")
        serving.environment(host)
        jobs.online(host, "echo")
        key = serving.key(host, "echo")
        jobs.answers(host, "echo", key)

        jobs.endpoint(host, "squares", jobs.SAYS_NOTHING_OF_ITS_HOST)
        data = jobs.numbers(host)
        undisturbed = jobs.completed(host, jobs.start(host, "squares", data))
        rows, failed = jobs.results(host, undisturbed)
        assert jobs.in_order(rows) == jobs.expected()
        assert "07.txt" in failed

        gate = jobs.Gate(host)
        job = jobs.start(host, "squares", data, gate)
        gate.let_pass(until(lambda: gate.waiting_at(host), "a job under way")[0])
        until(lambda: scoring_files.job(host, job)["progress"]["succeededMiniBatches"])
        until(lambda: gate.waiting_at(host), "units in hand")
        host.kill()
        until(lambda: not host.processes(), "workers die with their host")
        gate.open()
        host.start()
        disturbed = jobs.completed(host, job)
        assert jobs.results(host, disturbed) == (rows, failed)
        assert disturbed["progress"] == undisturbed["progress"]
        jobs.answers(host, "echo", key)

        wanted = {
            "MlEndpoints.OnlineEndpoint.Created",
            "MlEndpoints.OnlineEndpoint.TrafficChanged",
            "MlEndpoints.OnlineDeployment.Ready",
            "MlEndpoints.Job.Created",
            "MlEndpoints.Job.Running",
            "MlEndpoints.Job.Completed",
        }

        def enough(come: list[events.Event]) -> bool:
            ends = [e for e in come if e["type"] == "MlEndpoints.Job.Completed"]
            return len(ends) == 2 and {e["type"] for e in come} >= wanted

        told = events.come(installation["ServiceBusConnection"], "facts", enough)
        subjects = {e["subject"] for e in told if e["type"].endswith(".Job.Completed")}
        assert f"batchEndpoints/squares/jobs/{job}" in subjects
