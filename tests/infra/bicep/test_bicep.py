"""The infrastructure as code, read by a Bicep parser and held against the app.

test_resource_types.py holds it against Microsoft's resource types. Whether a deployment succeeds is
told by neither (docs/azure.md).
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pycep import BicepParser

from domain.assets.datastore import INBOX
from domain.ground import messages
from domain.ground.messages import ARRIVALS
from domain.jobs.records.job_times import JobTimes
from handlers.messages.arrivals import LANDED
from handlers.messages.deliveries import SERVICE_BUS
from handlers.messages.input_blobs import STORAGE
from infra.cloud.documents.cosmos_container import DEFAULT_TTL, INDEXING_POLICY, PARTITION_KEY
from infra.settings import Settings
from infra.settings.adapters import CloudSettings, IdentitySettings, TriggerSettings
from scripts.provisioning import hooks
from tests.infra.web.entra import APPLICATION, APPLICATION_URI, ISSUER_V1, ISSUER_V2, TENANT

ROOT = Path(__file__).parents[3]
BICEP = ROOT / "infra" / "bicep"
FILES = sorted(BICEP.rglob("*.bicep"))
ROLES = {
    "00000000-0000-0000-0000-000000000002": "Cosmos DB Built-in Data Contributor",
    "358470bc-b998-42bd-ab17-a7e34c199c0f": "Container Apps Contributor",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "73c42c96-874c-492b-b04d-ab87d138a893": "Log Analytics Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "090c5cfd-751d-490a-894a-3ce6f1109419": "Azure Service Bus Data Owner",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "8311e382-0749-4cb8-b61a-304f252e45ec": "AcrPush",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "c2f4ef07-c644-48eb-af81-4b1b4947fb11": "AcrDelete",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "f1a07417-d97a-45cb-824c-7a7467783830": "Managed Identity Operator",
    "fb382eab-e894-4461-af04-94435c366c3f": "Container Registry Tasks Contributor",
}
OF_THE_PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AzureWebJobsStorage__accountName",
    "PYTHON_ENABLE_INIT_INDEXING",
    *(
        f"{connection}__{part}"
        for connection in ("AzureWebJobsStorage", "BlobConnection", "ServiceBusConnection")
        for part in ("credential", "clientId")
    ),
}
"""Settings that the Functions host or the worker reads and the app does not."""


_GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/g/providers"
NAMES = [path.relative_to(BICEP).as_posix() for path in FILES]


@functools.cache
def trees() -> dict[str, dict[str, Any]]:
    """Every file, parsed, by its name."""
    parser = BicepParser()
    return {name: dict(parser.parse(text=(BICEP / name).read_text())) for name in NAMES}


def resources(kind: str) -> list[dict[str, Any]]:
    """The configuration of every resource of this type; of a loop, that of one round."""
    found = []
    for tree in trees().values():
        for resource in tree.get("resources", {}).values():
            if resource["type"] == kind and not resource["existing"]:
                config = resource["config"]
                while "loop_type" in config or "condition" in config:
                    config = config["config"]
                found.append(config)
    return found


def texts(tree: Any) -> Iterator[str]:
    """Every string in a tree, keys included."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from texts(value)
    elif isinstance(tree, str):
        yield tree


def listed(name: str, variable: str) -> set[str]:
    """The texts in an array, some by a variable of their own."""
    variables = {key: one["value"] for key, one in trees()[name]["variables"].items()}
    return {variables.get(each, each) for each in variables[variable]}


def params_of(module: dict[str, Any]) -> dict[str, Any]:
    """Of one that is always there, or under a condition."""
    config = module["config"]
    found: dict[str, Any] = config.get("config", config)["params"]
    return found


def app_settings() -> dict[str, Any]:
    [config] = resources("Microsoft.Web/sites/config")
    found: dict[str, Any] = config["properties"]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_declared_is_used_and_every_one_used_is_declared(name: str) -> None:
    tree, text = trees()[name], (BICEP / name).read_text()
    code = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    declared = [*tree.get("parameters", {}), *tree.get("variables", {})]
    for one in declared:
        assert len(re.findall(rf"\b{one}\b", code)) > 1, f"{one} is not used"
    symbols = {*declared, *tree.get("resources", {}), *tree.get("modules", {})}
    loops = set(re.findall(r"\[for \(?(\w+)(?:, \w+\))? in", code))
    inside = " ".join(re.findall(r"\$\{([^{}]*)\}", code))
    used = set(re.findall(r"(?<![.\w'])([a-z]\w*)(?![\w(:'])", inside))
    # The parser tells a name from a text no more; a bare word after a colon is a name.
    used |= set(re.findall(r": ([a-z]\w*)(?:\.[\w.]+)?\s*$", code, flags=re.MULTILINE))
    assert used <= symbols | loops | {"true", "false", "null"}


def test_modules_are_given_what_they_ask_for_and_nothing_else() -> None:
    for name, module in trees()["main.bicep"]["modules"].items():
        path = module["detail"]["full"]
        target = trees()[path]
        given = set(params_of(module))
        asked = target["parameters"]
        assert given <= set(asked), f"{name} is given {given - set(asked)}"
        needed = {key for key, one in asked.items() if one["default"] is None}
        assert needed <= given, f"{name} lacks {needed - given}"
    text = (BICEP / "main.bicep").read_text()
    for symbol, output in re.findall(r"\b(\w+)\.outputs\.(\w+)", text):
        module = trees()["main.bicep"]["modules"][symbol]
        assert output in trees()[module["detail"]["full"]]["outputs"], f"{symbol}.{output}"


def test_every_module_is_used() -> None:
    used = {module["detail"]["full"] for module in trees()["main.bicep"]["modules"].values()}
    assert used == {name for name in trees() if name.startswith("modules/")}


def test_parameters_that_azd_gives_are_asked_for() -> None:
    given = json.loads((BICEP / "main.parameters.json").read_text())["parameters"]
    asked = trees()["main.bicep"]["parameters"]
    assert set(given) <= set(asked)
    made = {
        name
        for name, one in asked.items()
        if any(d["type"] == "metadata" and "generate" in str(d) for d in one["decorators"])
    }
    assert {name for name, one in asked.items() if one["default"] is None} == set(given) | made


def test_the_queues_are_the_apps_and_dead_letter_as_its_settings_say() -> None:
    queues = {value for name, value in vars(messages).items() if name.endswith("_QUEUE")}
    assert listed("modules/service-bus.bicep", "queues") == {*queues, ARRIVALS}
    [queue] = [
        each
        for each in resources("Microsoft.ServiceBus/namespaces/queues")
        if "lockDuration" in each["properties"]
    ]
    properties = queue["properties"]
    assert properties["deadLetteringOnMessageExpiration"] is True
    assert properties["lockDuration"] == "PT1M"
    default = trees()["main.bicep"]["parameters"]["maxDeliveryCount"]["default"]
    assert default == TriggerSettings.model_fields["queue_max_delivery"].default
    assert properties["maxDeliveryCount"] == "maxDeliveryCount"
    assert "maxDeliveryCount" in str(app_settings()["ML_ENDPOINTS_QUEUE_MAX_DELIVERY"])


def test_the_host_renews_locks_for_as_long_as_a_function_may_run() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    renewed = host["extensions"]["serviceBus"]["maxAutoLockRenewalDuration"]
    assert renewed >= host["functionTimeout"]


def test_the_app_is_given_every_setting_that_it_needs_and_none_that_it_does_not_know() -> None:
    given = set(app_settings())
    known = set(Settings.names())
    assert given - known == OF_THE_PLATFORM
    stand_ins = {
        "ML_ENDPOINTS_BASE_URL": "https://func.azurewebsites.net",
        "ML_ENDPOINTS_SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
        "ML_ENDPOINTS_LOCATION": "westeurope",
        "ML_ENDPOINTS_SCORING_URL": "https://gateway.env.azurecontainerapps.io",
        "ML_ENDPOINTS_TOKEN_JWKS_URL": "https://login.microsoftonline.com/t/discovery/v2.0/keys",
        "ML_ENDPOINTS_QUEUE_MAX_DELIVERY": "5",
        "ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT": f"{_GROUP}/Microsoft.App/managedEnvironments/e",
        "ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY": (
            f"{_GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/p"
        ),
        "ML_ENDPOINTS_CONTAINER_APPS_REGISTRY": (
            f"{_GROUP}/Microsoft.ContainerRegistry/registries/cr"
        ),
        "ML_ENDPOINTS_IMAGE_REGISTRY": "https://cr.azurecr.io/ml-endpoints",
        "ML_ENDPOINTS_LOG_WORKSPACE": "11111111-2222-3333-4444-666666666666",
        "ML_ENDPOINTS_CIPHER_KEY": "what the reference to the vault comes to",
        "ML_ENDPOINTS_SWEEP_SCHEDULE": default("sweepSchedule"),
        "ML_ENDPOINTS_RESTORE_SCHEDULE": default("restoreSchedule"),
        "ML_ENDPOINTS_SCALE_LOOK_INTERVAL": default("scaleLookSeconds"),
        "ML_ENDPOINTS_TRACE_SAMPLING": default("traceSampling"),
        CloudSettings.environment_name("service_bus_namespace"): "sb.servicebus.windows.net",
        CloudSettings.environment_name("blob_service_url"): "https://st.blob.core.windows.net/",
        CloudSettings.environment_name(
            "cosmos_endpoint"
        ): "https://cosmos.documents.azure.com:443/",
    }
    told = {
        name: stand_ins.get(name, value if isinstance(value, str) else "something")
        for name, value in app_settings().items()
    }
    settings = Settings.read(told)
    assert settings.installation.platform == "azure"
    assert settings.triggers.inbox_source == "event_grid"
    assert settings.telemetry.telemetry_logs is False


def test_a_gateway_is_told_of_the_same_stores_and_models_as_the_app() -> None:
    main = trees()["main.bicep"]["modules"]
    common, asked = params_of(main["gateway"])["common"], params_of(main["app"])
    literals = {"ML_ENDPOINTS_PLATFORM", "ML_ENDPOINTS_COMPUTE", "ML_ENDPOINTS_TELEMETRY_LOGS"}
    app = app_settings()
    assert set(common) <= set(app)
    for name, value in common.items():
        if name in literals:
            assert value == app[name], name
        elif isinstance(app[name], str) and app[name] in asked:
            assert value == asked[app[name]], name
    needed = {each for each in app if "Connection__" in each and not each.endswith(_OF_IDENTITIES)}
    needed -= {each for each in app if each.startswith("AzureWebJobsStorage")}
    needed |= {each for each in app if "_TOKEN_" in each or "_COSMOS_" in each}
    needed |= {each for each in app if "CONTAINER_APPS" in each or "IMAGE_REGISTRY" in each}
    assert needed <= set(common), needed - set(common)
    own = str(trees()["modules/gateway.bicep"]["variables"]["own"]["value"])
    assert "'ML_ENDPOINTS_SERVES', 'value': 'scoring'" in own
    assert "'ML_ENDPOINTS_HOST', 'value': 'embedded'" in own


_OF_IDENTITIES = ("__credential", "__clientId")


def default(parameter: str) -> str:
    return str(trees()["main.bicep"]["parameters"][parameter]["default"])


def test_the_app_takes_tokens_of_both_versions_for_either_name_of_its_registration() -> None:
    """As the tenant of the tests signs them."""
    values = {
        "environment().authentication.loginEndpoint": "https://login.microsoftonline.com/",
        "tenant().tenantId": TENANT,
        "issuerOfVersion1": default("issuerOfVersion1"),
        "applicationId": APPLICATION,
    }

    def come_to(text: str) -> str:
        return re.sub(r"\$\{([^{}]+)\}", lambda found: values[found[1]], text)

    authority = trees()["modules/function-app.bicep"]["variables"]["authority"]["value"]
    values["authority"] = come_to(authority)
    values["tokenAudience"] = come_to(default("tokenAudience"))
    told = {name: str(value) for name, value in app_settings().items() if "_TOKEN_" in name}
    identity = IdentitySettings.model_validate(
        {name: values.get(value, come_to(value)) for name, value in told.items()}
    )
    assert set(identity.issuers) == {ISSUER_V1, ISSUER_V2}
    assert set(identity.audiences) == {APPLICATION, APPLICATION_URI}
    assert identity.token_jwks_url == f"{values['authority']}/discovery/v2.0/keys"


def test_connections_are_by_identity_and_no_setting_holds_a_key() -> None:
    names = set(app_settings())
    for connection in (STORAGE, SERVICE_BUS, "CosmosConnection", "AzureWebJobsStorage"):
        assert connection not in names, f"{connection} would be a connection string"
        assert any(name.startswith(f"{connection}__") for name in names)
    text = " ".join(texts(app_settings()))
    assert not re.search(r"(?i)accountkey|sharedaccess|list_?keys|password", text)
    assert str(app_settings()["ML_ENDPOINTS_CIPHER_KEY"]).startswith("@Microsoft.KeyVault(")
    assert "cipherKey" not in trees()["modules/function-app.bicep"]["parameters"]
    for name, tree in trees().items():
        assert "listKeys" not in (BICEP / name).read_text()
        for parameter, one in tree.get("parameters", {}).items():
            assert not any(d["type"] == "secure" for d in one["decorators"]), f"{name}: {parameter}"
    assert not resources("Microsoft.KeyVault/vaults/secrets"), "each deployment would make another"


def test_services_refuse_keys_and_old_tls() -> None:
    for account in resources("Microsoft.Storage/storageAccounts"):
        properties = account["properties"]
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["minimumTlsVersion"] == "TLS1_2"
    [bus] = resources("Microsoft.ServiceBus/namespaces")
    [cosmos] = resources("Microsoft.DocumentDB/databaseAccounts")
    assert bus["properties"]["disableLocalAuth"] is True
    assert cosmos["properties"]["disableLocalAuth"] is True
    [insights] = resources("Microsoft.Insights/components")
    assert insights["properties"]["DisableLocalAuth"] is True
    [app] = resources("Microsoft.Web/sites")
    assert app["properties"]["httpsOnly"] is True
    assert app["identity"]["type"] == "UserAssigned"


KEPT = {
    "Microsoft.Storage/storageAccounts",
    "Microsoft.DocumentDB/databaseAccounts",
    "Microsoft.ServiceBus/namespaces",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.Web/sites",
}


def test_what_is_closed_to_public_networks_has_a_private_endpoint_with_a_name() -> None:
    for kind in KEPT:
        for each in resources(kind):
            access = str(each["properties"]["publicNetworkAccess"])
            closed = "isPrivate" in access and "Disabled" in access
            assert closed or access == "access", kind
    access = trees()["modules/storage.bicep"]["variables"]["access"]["value"]
    assert "isPrivate" in str(access)
    links, zones = [], []
    for module in ("privateStores", "privateDoor"):
        params = params_of(trees()["main.bicep"]["modules"][module])
        links += params["links"]
        zones += params["zones"]
        assert {each["zone"] for each in params["links"]} == set(params["zones"])
    assert len(set(zones)) == len(zones)
    ids = {str(each["id"]) for each in links}
    kept = [each for kind in KEPT for each in resources(kind)]
    assert len(ids) == len(kept), "one for each account, and no other"
    assert len({each["name"] for each in links}) == len(links)
    named = [str(trees()["main.bicep"]["variables"][zone]["value"]) for zone in zones]
    assert all("privatelink" in each for each in named), named


def test_models_may_be_kept_in_their_network() -> None:
    [last] = [
        each
        for each in resources("Microsoft.Network/networkSecurityGroups/securityRules")
        if each["properties"]["access"] == "Deny"
    ]
    assert last["properties"]["destinationAddressPrefix"] == "Internet"
    assert default("modelsReachOut").casefold() == "true"
    assert default("privateNetwork") == "off"


def test_the_identity_has_these_roles_each_on_one_resource_and_no_other() -> None:
    named = {
        value["value"]
        for tree in trees().values()
        for value in tree.get("variables", {}).values()
        if isinstance(value["value"], str) and re.fullmatch(r"[0-9a-f-]{36}", value["value"])
    }
    assert named == set(ROLES)
    assignments = resources("Microsoft.Authorization/roleAssignments")
    given = sorted(
        (
            "the app" if each["properties"]["principalId"] == "principalId" else "",
            each.get("scope", "the group of the models"),
        )
        for each in assignments
    )
    assert given == [
        # Event Grid's.
        ("", "queue"),
        ("", "queue"),
        # Apps', to pull.
        ("", "registry"),
        ("", "undelivered"),
        ("the app", "data"),
        ("the app", "data"),
        ("the app", "host"),
        ("the app", "host"),
        ("the app", "insights"),
        ("the app", "namespace"),
        ("the app", "puller"),
        # To push, to have Dockerfiles built, and to remove what nothing uses.
        ("the app", "registry"),
        ("the app", "registry"),
        ("the app", "registry"),
        ("the app", "the group of the models"),
        ("the app", "vault"),
        ("the app", "workspace"),
    ]


def test_the_documents_container_is_what_the_store_expects() -> None:
    [database] = resources("Microsoft.DocumentDB/databaseAccounts/sqlDatabases")
    [container] = resources("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers")
    assert database["name"] == CloudSettings.model_fields["cosmos_database"].default
    assert container["name"] == CloudSettings.model_fields["cosmos_container"].default
    made = container["properties"]["resource"]
    assert made["id"] == container["name"]
    assert made["partitionKey"]["paths"] == [PARTITION_KEY]
    assert f"defaultTtl: {DEFAULT_TTL}" in (BICEP / "modules" / "cosmos.bicep").read_text()
    policy = made["indexingPolicy"]
    for key in ("includedPaths", "excludedPaths", "compositeIndexes"):
        assert policy[key] == INDEXING_POLICY[key]
    [account] = resources("Microsoft.DocumentDB/databaseAccounts")
    assert account["properties"]["consistencyPolicy"]["defaultConsistencyLevel"] == "Strong"


def test_event_grid_tells_of_each_blob_in_the_inbox_by_an_identity_of_its_own() -> None:
    kept = {INBOX, "workspaceblobstore", "system", "undelivered-arrivals"}
    assert listed("modules/storage.bicep", "containers") == kept
    assert trees()["modules/arrivals.bicep"]["variables"]["inbox"]["value"] == INBOX
    [subscription] = [
        each
        for each in resources("Microsoft.EventGrid/systemTopics/eventSubscriptions")
        if "deadLetterWithResourceIdentity" in each["properties"]
    ]
    properties = subscription["properties"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    assert "destination" not in properties, "it would be by a key"
    delivery = properties["deliveryWithResourceIdentity"]
    assert delivery["destination"]["endpointType"] == "ServiceBusQueue"
    assert delivery["identity"] == {"type": "SystemAssigned"}
    assert properties["deadLetterWithResourceIdentity"]["identity"] == {"type": "SystemAssigned"}
    chosen = properties["filter"]
    assert chosen["subjectBeginsWith"] == "/blobServices/default/containers/${inbox}/blobs/"
    assert chosen["includedEventTypes"] == [LANDED]
    # It is made once the roles are there that it needs.
    assert subscription["dependsOn"] == ["sends", "putsAside"]


def test_an_invocation_may_take_as_long_as_planning() -> None:
    hours, minutes, seconds = map(
        int, json.loads((ROOT / "host.json").read_text())["functionTimeout"].split(":")
    )
    assert hours * 3600 + minutes * 60 + seconds > JobTimes().plan_lease


def test_an_instance_takes_many_requests_at_once_and_none_waits_for_nobody() -> None:
    [app] = resources("Microsoft.Web/sites")
    scale = app["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] == "requestsAtOnce"
    assert int(default("requestsAtOnce")) >= 16
    assert default("alwaysReady") == "0"


def test_the_app_runs_the_python_that_it_is_tested_on() -> None:
    [app] = resources("Microsoft.Web/sites")
    config = app["properties"]["functionAppConfig"]
    assert config["runtime"] == {"name": "python", "version": "3.11"}
    assert config["deployment"]["storage"]["authentication"]["type"] == "UserAssignedIdentity"
    [plan] = resources("Microsoft.Web/serverfarms")
    assert plan["sku"]["tier"] == "FlexConsumption"


def test_azd_finds_the_infrastructure_and_the_app() -> None:
    azd = yaml.safe_load((ROOT / "azure.yaml").read_text())
    assert (ROOT / azd["infra"]["path"] / f"{azd['infra']['module']}.bicep").exists()
    [(name, service)] = azd["services"].items()
    assert (service["language"], service["host"]) == ("py", "function")
    [app] = resources("Microsoft.Web/sites")
    assert f"'{name}'" in str(app["tags"])
    for hook, about in azd["hooks"].items():
        assert {each["run"].partition(" -m ")[2] for each in about.values()} == {
            f"scripts.provisioning.hooks {hook}"
        }
    assert set(azd["hooks"]) == set(hooks.HOOKS)
    outputs = set(trees()["main.bicep"]["outputs"])
    assert outputs >= hooks.OUTPUTS
