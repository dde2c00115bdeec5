"""Whose a workload is."""

from domain.online.online_deployment import workload_key
from infra.compute.ground.owners import owner_of, payer_tags


def test_what_runs_for_a_deployment_is_tagged_as_azure_ml_s_is() -> None:
    key = workload_key("Iris", "blue")
    assert payer_tags(key) == {"azuremlendpoint": "iris", "azuremldeployment": "blue"}
    assert owner_of(key) == {"endpoint": "iris", "deployment": "blue"}


def test_workers_are_nobody_s_alone() -> None:
    assert payer_tags("pool/1234") == payer_tags("batch/job") == payer_tags("online/x") == {}
