"""Computes, as YAML has them."""

from cli.kinds.assets import IDENTITY, NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, MapOf, Record, Span, Text, Whole

AML_COMPUTE = Record(
    (
        Field("name", NAME, required=True),
        Field(
            "type", Choice({"amlcompute": "AmlCompute"}), "properties.computeType", required=True
        ),
        Field("description", Text(), "properties.description"),
        Field("tags", TAGS, "tags"),
        Field("location", Text(), "location"),
        Field("size", Text(), "properties.properties.vmSize"),
        Field(
            "tier",
            Choice({"dedicated": "Dedicated", "low_priority": "LowPriority"}),
            "properties.properties.vmPriority",
        ),
        Field("min_instances", Whole(0), "properties.properties.scaleSettings.minNodeCount"),
        Field("max_instances", Whole(1), "properties.properties.scaleSettings.maxNodeCount"),
        Field(
            "idle_time_before_scale_down",
            Span(1),
            "properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown",
        ),
        Field("identity", IDENTITY, "identity"),
        Field("provisioning_state", Anything(), "properties.provisioningState", ignored=True),
        Field("id", Anything(), "id", ignored=True),
        *(
            Field(name, Anything(), ignored=True)
            for name in (
                "ssh_settings",
                "ssh_public_access_enabled",
                "network_settings",
                "enable_node_public_ip",
                "created_on",
                "creation_context",
                "resourceGroup",
            )
        ),
    ),
    "A compute that batch jobs run on.",
)

KUBERNETES = Record(
    (
        Field("name", NAME, required=True),
        Field(
            "type", Choice({"kubernetes": "Kubernetes"}), "properties.computeType", required=True
        ),
        Field("description", Text(), "properties.description"),
        Field("tags", TAGS, "tags"),
        Field("location", Text(), "location"),
        Field("resource_id", Text(), "properties.resourceId", doc="the cluster's ARM id"),
        Field("properties", Anything(), "properties.properties", doc="as REST has them"),
        Field("namespace", Text(), "properties.properties.namespace", default="default"),
        Field("default_instance_type", Text(), "properties.properties.defaultInstanceType"),
        Field(
            "instance_types",
            MapOf(
                Record(
                    (
                        Field("node_selector", MapOf(Text()), "nodeSelector"),
                        Field(
                            "resources",
                            Record(
                                (
                                    Field("requests", MapOf(Anything()), "requests"),
                                    Field("limits", MapOf(Anything()), "limits"),
                                )
                            ),
                            "resources",
                            required=True,
                        ),
                    )
                )
            ),
            "properties.properties.instanceTypes",
        ),
        Field("identity", IDENTITY, "identity"),
        *(
            Field(name, Anything(), rest, ignored=True)
            for name, rest in (
                ("provisioning_state", "properties.provisioningState"),
                ("id", "id"),
                ("created_on", ""),
                ("creation_context", ""),
                ("resourceGroup", ""),
            )
        ),
    ),
    "A namespace of the host's Kubernetes cluster, attached as a compute.",
)


def record_of(kind: str | None) -> Record:
    """By its type, as YAML, flags and REST have it."""
    return KUBERNETES if (kind or "").casefold() == "kubernetes" else AML_COMPUTE
