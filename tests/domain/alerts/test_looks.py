"""What a look at a rule comes to."""

from datetime import UTC, datetime, timedelta

from domain.alerts.alert_looking import Met
from domain.alerts.metric_alert import (
    Criteria,
    Criterion,
    MetricAlert,
    MetricAlertProperties,
    Operator,
)
from domain.alerts.metric_alerts import looked_at
from domain.figures.metrics import Aggregation
from domain.ground.facts import Fact
from domain.ground.provisioning_state import ProvisioningState

NOW = datetime(2026, 1, 2, 10, tzinfo=UTC)
CRITERION = Criterion(
    name="Many",
    metric_name="RequestsPerMinute",
    operator=Operator.GREATER_THAN,
    threshold=10,
    time_aggregation=Aggregation.TOTAL,
)
RULE = MetricAlert(
    name="failing",
    location="global",
    provisioning_state=ProvisioningState.SUCCEEDED,
    created_at=NOW,
    created_by="me",
    modified_at=NOW,
    modified_by="me",
    properties=MetricAlertProperties(scopes=("x",), criteria=Criteria(all_of=(CRITERION,))),
)
BLUE = Met("onlineEndpoints/iris", {"deployment": "blue"}, {"Many": 11.0})
GREEN = Met("onlineEndpoints/iris", {"deployment": "green"}, {"Many": 12.0})


def told(*looks: list[Met]) -> list[list[tuple[str, str]]]:
    """At each look."""
    alert, found = RULE, []
    for number, met in enumerate(looks):
        alert, facts = looked_at(alert, met, NOW + timedelta(minutes=number))
        found.append(
            [(f.type.value.rpartition(".")[2], f.data["dimensions"]["deployment"]) for f in facts]
        )
    return found


def test_it_is_told_once_and_over_after_three_looks_in_a_row_without() -> None:
    fired, resolved = [("Fired", "blue")], [("Resolved", "blue")]
    assert told([BLUE], [BLUE], [], [], []) == [fired, [], [], [], resolved]
    assert told([BLUE], [], [], [BLUE], [], []) == [fired, [], [], [], [], []]
    assert told([BLUE], [], [], [], [BLUE]) == [fired, [], [], resolved, fired]


def test_series_are_told_apart() -> None:
    assert told([BLUE], [BLUE, GREEN], [GREEN], [GREEN], [GREEN]) == [
        [("Fired", "blue")],
        [("Fired", "green")],
        [],
        [],
        [("Resolved", "blue")],
    ]


def test_what_is_over_says_what_was_seen_last_and_since_when() -> None:
    alert, _ = looked_at(RULE, [BLUE], NOW)
    alert, _ = looked_at(
        alert, [Met(BLUE.resource, BLUE.dimensions, {"Many": 40.0})], NOW + timedelta(minutes=1)
    )
    [seen] = alert.fired
    assert (seen.values, seen.fired_at, seen.quiet) == ({"Many": 40.0}, NOW, 0)
    facts: list[Fact] = []
    for number in range(2, 5):
        alert, facts = looked_at(alert, [], NOW + timedelta(minutes=number))
    [fact] = facts
    assert fact.data["conditions"][0]["value"] == 40.0
    assert (fact.data["firedAt"], fact.data["resolvedAt"]) == (
        NOW.isoformat(),
        (NOW + timedelta(minutes=4)).isoformat(),
    )
