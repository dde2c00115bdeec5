"""Settings: one frozen object, read once, refused whole."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.settings import EMBEDDED_DEFAULTS, Settings, SettingsError
from tests.architecture.settings_page import PAGE, meanings, settings_page, written
from tests.kit.real_app import ROOT

OF_THE_HOST = {
    "AzureWebJobsStorage",
    "BlobConnection__queueServiceUri",
    "FUNCTIONS_WORKER_RUNTIME",
    "PYTHON_ENABLE_INIT_INDEXING",
}
"""Settings that the Functions host reads and the app does not."""

EMBEDDED = {"ML_ENDPOINTS_PLATFORM": "embedded"}


def faults(environment: dict[str, str], file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        Settings.read(environment, file)
    return refused.value.faults


def test_an_embedded_installation_needs_nothing_but_its_platform() -> None:
    settings = Settings.read(EMBEDDED)
    assert settings.installation.base_url == "https://127.0.0.1:7443"
    assert settings.identity.token_issuer == settings.installation.base_url
    assert settings.identity.token_jwks_url == "https://127.0.0.1:7443/oauth2/v2.0/keys"
    assert settings.drops.quiet_period == 2
    assert settings.scoring.max_request_bytes == 100 * 1024 * 1024
    assert settings.installation.workspace_id == (
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
        "/providers/Microsoft.MachineLearningServices/workspaces/workspace"
    )


def test_what_follows_from_the_base_url_follows_it() -> None:
    settings = Settings.read({**EMBEDDED, "ML_ENDPOINTS_BASE_URL": "https://ml.example:8443/"})
    assert settings.installation.base_url == "https://ml.example:8443"
    assert settings.identity.token_issuer == "https://ml.example:8443"


def test_everything_missing_in_azure_is_named_at_once() -> None:
    found = faults({"ML_ENDPOINTS_PLATFORM": "azure"})
    assert {fault.partition(":")[0] for fault in found} == {
        "ML_ENDPOINTS_BASE_URL",
        "ML_ENDPOINTS_SUBSCRIPTION_ID",
        "ML_ENDPOINTS_RESOURCE_GROUP",
        "ML_ENDPOINTS_WORKSPACE",
        "ML_ENDPOINTS_LOCATION",
        "ML_ENDPOINTS_TOKEN_ISSUER",
        "ML_ENDPOINTS_TOKEN_AUDIENCE",
        "ML_ENDPOINTS_TOKEN_JWKS_URL",
        "ServiceBusConnection or ServiceBusConnection__fullyQualifiedNamespace",
        "BlobConnection or BlobConnection__blobServiceUri",
        "CosmosConnection or CosmosConnection__accountEndpoint",
        "ML_ENDPOINTS_CIPHER_KEY",
    }


AZURE = {
    "ML_ENDPOINTS_PLATFORM": "azure",
    "ML_ENDPOINTS_BASE_URL": "https://ml.example",
    "ML_ENDPOINTS_SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
    "ML_ENDPOINTS_RESOURCE_GROUP": "rg",
    "ML_ENDPOINTS_WORKSPACE": "models",
    "ML_ENDPOINTS_LOCATION": "westeurope",
    "ML_ENDPOINTS_TOKEN_ISSUER": "https://login.example/tenant/v2.0",
    "ML_ENDPOINTS_TOKEN_AUDIENCE": "api://ml-endpoints",
    "ML_ENDPOINTS_TOKEN_JWKS_URL": "https://login.example/tenant/discovery/v2.0/keys",
    "ML_ENDPOINTS_CIPHER_KEY": "a-long-and-random-text-from-the-vault",
    "ServiceBusConnection__fullyQualifiedNamespace": "sb.servicebus.windows.net",
    "BlobConnection__blobServiceUri": "https://st.blob.core.windows.net/",
    "CosmosConnection__accountEndpoint": "https://db.documents.azure.com:443/",
}


def test_azure_is_told_by_identities_or_by_connection_strings() -> None:
    settings = Settings.read(AZURE)
    assert settings.cloud.service_bus_namespace == "sb.servicebus.windows.net"
    assert settings.cloud.blob_service_url == "https://st.blob.core.windows.net"
    assert settings.cloud.cosmos_endpoint == "https://db.documents.azure.com:443"
    told = {k: v for k, v in AZURE.items() if "__" not in k}
    strings = {f"{name}Connection": f"of={name}" for name in ("ServiceBus", "Blob", "Cosmos")}
    settings = Settings.read({**told, **strings})
    assert settings.cloud.service_bus_connection == "of=ServiceBus"
    assert settings.cloud.blob_connection == "of=Blob"
    assert settings.cloud.cosmos_connection == "of=Cosmos"


def test_what_is_missing_and_what_is_wrong_are_told_together() -> None:
    given = {k: v for k, v in AZURE.items() if not k.startswith("Cosmos")}
    found = faults({**given, "ML_ENDPOINTS_TRACE_SAMPLING": "2", "AZURE_CLIENT_ID": " "})
    assert [fault.partition(":")[0] for fault in found] == [
        "CosmosConnection or CosmosConnection__accountEndpoint",
        "ML_ENDPOINTS_TRACE_SAMPLING",
    ]


@pytest.mark.parametrize("name", ["ML_ENDPOINTS_CIPHER_KEY", "ServiceBusConnection"])
def test_a_key_vault_reference_that_was_not_resolved_is_no_secret(name: str) -> None:
    reference = "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/cipher-key)"
    [fault] = faults({**AZURE, name: reference})
    assert fault.startswith(f"{name}: its Key Vault reference was not resolved")
    assert "Key Vault Secrets User" in fault


def test_no_secret_is_shown_with_the_settings() -> None:
    secrets = {
        "ML_ENDPOINTS_CIPHER_KEY": "s3cret" * 8,
        "ServiceBusConnection": "s3cret",
        "BlobConnection": "s3cret",
        "CosmosConnection": "s3cret",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "s3cret",
    }
    settings = Settings.read({**AZURE, **secrets})
    assert settings.telemetry.application_insights == "s3cret"
    assert "s3cret" not in f"{settings!r} {settings}"


def test_wrong_and_unknown_names_are_reported_together_with_a_suggestion() -> None:
    found = faults(
        {
            **EMBEDDED,
            "ML_ENDPOINTS_DROP_QUIET_PERIOD": "soon",
            "ML_ENDPOINTS_SWEEP_SCHEDULE": "every day",
            "ML_ENDPOINTS_LOG_LEVEL": "LOUD",
            "ML_ENDPOINTS_DATADIR": "elsewhere",
            "ML_ENDPOINTS_QUITE_DIFFERENT_THING_ALTOGETHER": "1",
        }
    )
    text = "\n".join(found)
    assert len(found) == 5
    assert "ML_ENDPOINTS_DATADIR: no such setting; did you mean ML_ENDPOINTS_DATA_DIR?" in found
    assert "ML_ENDPOINTS_QUITE_DIFFERENT_THING_ALTOGETHER: no such setting" in found
    assert "ML_ENDPOINTS_SWEEP_SCHEDULE: `every day` has 2 fields" in text
    assert "ML_ENDPOINTS_LOG_LEVEL: Input should be 'DEBUG'" in text


def test_the_environment_wins_over_the_file_and_blank_means_not_set(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    values = {
        "ML_ENDPOINTS_PLATFORM": "embedded",
        "ML_ENDPOINTS_WORKSPACE": "from-file",
        "ML_ENDPOINTS_RESOURCE_GROUP": "from-file",
        "ML_ENDPOINTS_LOCATION": "",
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }
    file.write_text(json.dumps({"Values": values}))
    settings = Settings.read({"ML_ENDPOINTS_WORKSPACE": "from-environment"}, file)
    assert settings.installation.workspace == "from-environment"
    assert settings.installation.resource_group == "from-file"
    assert settings.installation.location == "local"


@pytest.mark.parametrize("content", ["{", "[]", '{"Values": [1]}', '{"Values": {"A": 1}}'])
def test_a_settings_file_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(content)
    assert "local.settings.json" in faults(EMBEDDED, file)[0]


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("2Ki", 2048), ("100Mi", 104857600), ("4GiB", 2**32)]
)
def test_sizes_have_units(text: str, size: int) -> None:
    settings = Settings.read({**EMBEDDED, "ML_ENDPOINTS_MAX_REQUEST_BYTES": text})
    assert settings.scoring.max_request_bytes == size


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("*", ("*",)),
        ("https://a.example/, http://b:81", ("https://a.example", "http://b:81")),
        (" , ", ()),
    ],
)
def test_origins_stand_between_commas(text: str, origins: tuple[str, ...]) -> None:
    settings = Settings.read({**EMBEDDED, "ML_ENDPOINTS_CORS_ORIGINS": text})
    assert settings.scoring.cors_origins == origins


def test_what_is_no_origin_or_comes_too_late_is_refused() -> None:
    (fault,) = faults({**EMBEDDED, "ML_ENDPOINTS_CORS_ORIGINS": "https://a.example/path"})
    assert fault.startswith("ML_ENDPOINTS_CORS_ORIGINS: `https://a.example/path` is no origin")
    (fault,) = faults({**EMBEDDED, "ML_ENDPOINTS_AML_TOKEN_LIFETIME": "600"})
    assert fault == (
        "ML_ENDPOINTS_AML_TOKEN_REFRESH_AFTER: must be less than ML_ENDPOINTS_AML_TOKEN_LIFETIME"
    )


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings.read(EMBEDDED).installation.workspace = "other"  # type: ignore[misc]


def test_the_sample_file_has_every_setting_and_is_accepted() -> None:
    file = ROOT / "local.settings.sample.json"
    values = json.loads(file.read_text())["Values"]
    assert set(values) - OF_THE_HOST == set(Settings.names())
    assert Settings.read({}, file) == Settings.read(EMBEDDED)
    needed = {**EMBEDDED_DEFAULTS, **EMBEDDED, "ML_ENDPOINTS_BASE_URL": ""}
    for group in Settings.groups().values():
        for info in group.model_fields.values():
            name = str(info.alias)
            default = needed.get(name, "") if info.is_required() else written(info)
            assert values[name] == default, name


def test_every_setting_says_what_it_means_and_the_page_has_all_of_it() -> None:
    for group in Settings.groups().values():
        assert set(meanings(group)) == set(group.model_fields)
    assert PAGE.read_text() == settings_page(), "`make settings-page` writes it anew"


def test_no_two_settings_have_one_name() -> None:
    names = Settings.names()
    assert len(names) == len(set(names))


def test_container_apps_need_an_environment_and_a_registry() -> None:
    told = {"ML_ENDPOINTS_PLATFORM": "embedded", "ML_ENDPOINTS_COMPUTE": "container_apps"}
    with pytest.raises(SettingsError) as raised:
        Settings.read({**told, "ML_ENDPOINTS_CONTAINER_APPS_MOUNTS": "no-place"})
    assert [fault.partition(":")[0] for fault in raised.value.faults] == [
        "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT",
        "ML_ENDPOINTS_IMAGE_REGISTRY",
        "ML_ENDPOINTS_CONTAINER_APPS_MOUNTS",
    ]


def test_whoever_wakes_an_app_is_given_more_time() -> None:
    group = "/subscriptions/s/resourceGroups/g/providers"
    told = {
        "ML_ENDPOINTS_PLATFORM": "embedded",
        "ML_ENDPOINTS_COMPUTE": "container_apps",
        "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT": f"{group}/Microsoft.App/managedEnvironments/e",
        "ML_ENDPOINTS_IMAGE_REGISTRY": "https://cr.azurecr.io/ml-endpoints",
    }
    assert Settings.read(told).scaling.wake_wait == 120
    assert Settings.read({**told, "ML_ENDPOINTS_WAKE_WAIT": "9"}).scaling.wake_wait == 9
    assert Settings.read({"ML_ENDPOINTS_PLATFORM": "embedded"}).scaling.wake_wait == 30


def test_a_gateway_needs_stores_and_instances_that_others_share() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.read({"ML_ENDPOINTS_PLATFORM": "embedded", "ML_ENDPOINTS_SERVES": "scoring"})
    named = {fault.partition(":")[0] for fault in refused.value.faults}
    assert named == {"ML_ENDPOINTS_PLATFORM", "ML_ENDPOINTS_HOST", "ML_ENDPOINTS_COMPUTE"}
    gateway = {
        **AZURE,
        "ML_ENDPOINTS_HOST": "embedded",
        "ML_ENDPOINTS_SERVES": "scoring",
        "ML_ENDPOINTS_COMPUTE": "docker",
    }
    assert Settings.read(gateway).installation.serves == "scoring"
