"""Endpoints, online and batch, as YAML has them."""

from cli.kinds.assets import IDENTITY, TAGS
from cli.kinds.types import Anything, Choice, Field, ListOf, MapOf, Number, Record, Text, Whole

ENDPOINT_NAME = Text(
    r"[a-zA-Z](?=.{2,31}$)[-a-zA-Z0-9]*[a-zA-Z0-9]",
    "3 to 32 letters, digits and dashes, beginning with a letter and ending without a dash.",
)
DESCRIPTION = (
    Field("description", Text(), "properties.description"),
    Field("tags", TAGS, "tags"),
    Field("properties", TAGS, "properties.properties"),
)
"""What is said of any resource that has an ARM envelope of its own."""
COMMON = (
    Field("name", ENDPOINT_NAME, required=True, doc="3 to 32 letters, digits and dashes"),
    *DESCRIPTION,
)
READ_ONLY = tuple(
    Field(name, Anything(), rest, ignored=True)
    for name, rest in (
        ("id", "id"),
        ("kind", ""),
        ("location", "location"),
        ("provisioning_state", "properties.provisioningState"),
        ("scoring_uri", "properties.scoringUri"),
        ("openapi_uri", "properties.swaggerUri"),
    )
)
SWITCH = Choice({"enabled": "Enabled", "disabled": "Disabled"})

_STEP = Record(
    (
        Field("traffic", MapOf(Whole(0, 100)), "traffic", required=True),
        Field("duration", Text(), "duration", required=True, doc="ISO 8601, such as PT5M"),
    )
)
ROLLOUT = Record(
    (
        Field("steps", ListOf(_STEP), "steps", required=True),
        Field(
            "limits",
            Record(
                (
                    Field("error_rate", Number(0, 1), "errorRate"),
                    Field("relative_error_rate", Number(0, 1000), "relativeErrorRate"),
                    Field("p95_latency_ms", Number(0, 1e9), "p95LatencyMs"),
                    Field("minimum_requests", Whole(0), "minimumRequests"),
                )
            ),
            "limits",
        ),
    ),
    "Traffic that moves by steps, and goes back by itself.",
)

ONLINE_ENDPOINT = Record(
    (
        *COMMON,
        Field(
            "auth_mode",
            Choice({"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}),
            "properties.authMode",
            default="key",
            doc="how callers prove who they are",
        ),
        Field("traffic", MapOf(Whole(0, 100)), "properties.traffic", doc="percent by deployment"),
        Field(
            "mirror_traffic",
            MapOf(Whole(0, 50)),
            "properties.mirrorTraffic",
            doc="percent of requests that one deployment gets copies of",
        ),
        Field("public_network_access", SWITCH, "properties.publicNetworkAccess"),
        Field(
            "identity",
            IDENTITY,
            "identity",
            default={"type": "system_assigned"},
            doc="whom scripts are to others",
        ),
        Field("compute", Text(), "properties.compute", doc="of Kubernetes endpoints"),
        Field("rollout", ROLLOUT, "properties.rollout"),
        *READ_ONLY,
    ),
    "An online endpoint: a scoring URI over deployments.",
)

BATCH_ENDPOINT = Record(
    (
        *COMMON,
        Field(
            "auth_mode",
            Choice({"aad_token": "AADToken", "key": "Key"}),
            "properties.authMode",
            default="aad_token",
        ),
        Field(
            "defaults",
            Record((Field("deployment_name", Text(), "deploymentName", required=True),)),
            "properties.defaults",
        ),
        Field("traffic", Anything(), ignored=True),
        *READ_ONLY,
    ),
    "A batch endpoint: jobs over files.",
)
