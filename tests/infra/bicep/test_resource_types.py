"""Every resource in infra/bicep against Microsoft's own definition of its type."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra.bicep.bicep_reader import NotRead, Resource, resources
from tests.infra.bicep.resource_types import ResourceTypes
from tests.kit.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
WRITTEN_HERE = Path(__file__).parent / "types"
"""After Microsoft's reference, where its files are not at hand."""
TYPES = ROOT.parent / "shared" / "schemas" / "bicep-types"
FILES = sorted((ROOT / "infra" / "bicep").rglob("*.bicep"))


@pytest.fixture(scope="module")
def types() -> ResourceTypes:
    if not TYPES.is_dir():
        pytest.skip(f"Microsoft's resource types are not in {TYPES}")
    return ResourceTypes(TYPES, WRITTEN_HERE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_resource_has_what_its_type_asks_for_and_nothing_else(
    file: Path, types: ResourceTypes
) -> None:
    assert [fault for one in resources(file.read_text()) for fault in types.faults(one)] == []


@pytest.mark.parametrize("command", ["build", "lint"])
def test_microsoft_s_compiler_takes_it(command: str, tmp_path: Path) -> None:
    bicep = shutil.which("bicep")
    if bicep is None:
        pytest.skip("there is no bicep here (Azure.Bicep.CommandLine)")
    told = ["--outfile", str(tmp_path / "main.json")] if command == "build" else []
    main = ROOT / "infra" / "bicep" / "main.bicep"
    ran = subprocess.run(
        [bicep, command, str(main), *told],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


VAULT = """
resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'kv-${suffix}'
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: isPremium ? 'premium' : 'standard'
    }
    enablePurgeProtection: true
  }
}
"""
SUBSCRIPTION = """
resource landed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = if (isWanted) {
  parent: topic
  name: 'inbox'
  properties: {
    destination: {
      endpointType: 'ServiceBusQueue'
      properties: { resourceId: queue.id }
    }
    retryPolicy: { maxDeliveryAttempts: 30 }
    labels: [for name in names: 'label-${name}']
  }
}
"""
PLANTED = [
    (VAULT, "enablePurge", "purge", "vault.properties.purgeProtection: there is no such property"),
    (VAULT, "    tenantId: tenant().tenantId\n", "", "vault.properties: lacks tenantId"),
    (VAULT, "'standard'", "'basic'", "vault.properties.sku.name: must be one of"),
    (VAULT, "'premium'", "'basic'", "vault.properties.sku.name: must be one of"),
    (VAULT, "'kv-${suffix}'", "12", "vault.name: must be a text"),
    (VAULT, "location: location", "etag: 'x'", "vault.etag: there is no such property"),
    (VAULT, "'Microsoft.KeyVault/vaults@", "'Microsoft.KeyVault/safes@", "there is no Microsoft.K"),
    (VAULT, "Protection: true", "Protection: 'true'", "Protection: must be true or false"),
    (VAULT, "enablePurgeProtection: true", "hsmPoolResourceId: 'x'", "hsmPoolResourceId: is read-"),
    (VAULT, "@2023-07-01' =", "@2023-07-01' existing =", "vault.location: is not ours to set"),
    (SUBSCRIPTION, "'ServiceBusQueue'", "'Queue'", "destination.endpointType: must be one of"),
    (SUBSCRIPTION, "resourceId", "queueId", "destination.properties.queueId: there is no such"),
    (SUBSCRIPTION, "Attempts: 30", "Attempts: true", "maxDeliveryAttempts: must be a whole number"),
    (SUBSCRIPTION, "'label-${name}'", "{ a: 1 }", "labels[0]: must be a text"),
    (
        SUBSCRIPTION,
        "labels: [for name in names: 'label-${name}']",
        "labels: 'a'",
        "must be an array",
    ),
    (SUBSCRIPTION, "{ maxDeliveryAttempts: 30 }", "[30]", "retryPolicy: must be an object"),
]


@pytest.mark.parametrize("sound", [VAULT, SUBSCRIPTION])
def test_what_is_sound_has_no_fault(sound: str, types: ResourceTypes) -> None:
    [resource] = resources(sound)
    assert types.faults(resource) == []


@pytest.mark.parametrize(("sound", "text", "planted", "told"), PLANTED)
def test_each_fault_is_found_and_told_where_it_is(
    sound: str, text: str, planted: str, told: str, types: ResourceTypes
) -> None:
    assert sound.count(text) == 1
    [resource] = resources(sound.replace(text, planted))
    faults = types.faults(resource)
    assert any(told in fault for fault in faults), faults


def test_a_loop_s_round_and_a_condition_are_read() -> None:
    [looped] = resources(
        "resource queue 'A/queues@1' = [for (name, i) in concat(a, ['b']): if (i > 0 && !no) {\n"
        "  name: '${prefix}-${name}' // a comment: { '\n  tags: union(tags, { '${name}': 1 })\n}]\n"
    )
    assert isinstance(looped, Resource)
    assert set(looped.body.by_name) == {"name", "tags"}
    assert looped.condition is None
    [made] = resources(
        "resource key 'A/keys@1' = if (isNew) {\n  name: 'it''s'\n}\n".replace("''", "\\'")
    )
    assert made.condition == "isNew"


@pytest.mark.parametrize(
    "text",
    [
        "resource a 'A/b@1' = {\n  name: 'x' location: 'y'\n}\n",
        "resource a 'A/b@1' = {\n  name: 'x'\n  name: 'y'\n}\n",
        "resource a 'A/b@1' = {\n  name: 'x\n}\n",
        "resource a 'A/b@1' = {\n  name: #\n}\n",
        "func f() string => 'x'\n",
        "resource a 'A/b@1' = 'x'\n",
    ],
)
def test_what_is_not_understood_is_no_resource(text: str) -> None:
    with pytest.raises(NotRead, match="line "):
        resources(text)
