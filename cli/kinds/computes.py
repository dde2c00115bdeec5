"""Computes and schedules, as YAML has them."""

from cli.kinds.assets import IDENTITY, NAME, TAGS
from cli.kinds.types import Anything, Choice, Field, Record, Span, Text, Whole

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
