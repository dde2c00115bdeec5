"""What the log tells of nodes, and how often."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.trace import get_current_span

from infra.compute.remote.fleet import Node, NodeState
from infra.compute.remote.keeping.node_stories import NodeStories, Owner
from infra.compute.remote.node_watches import Health

NODE = Node("g-0.1", "g", 0, NodeState.RUNNING, "10.0.0.2:5001")
STARTING = Health(life="a.0", answered=True)
READY = replace(STARTING, ready=True)
TRACE = "0af7651916cd43dd8448eb211c80319c"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, str]] = []
        self.traces: set[str] = set()
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.all.append((getattr(record, "action", ""), getattr(record, "instance", "")))
        self.traces.add(f"{get_current_span().get_span_context().trace_id:032x}")
        self.reasons.append(getattr(record, "reason", ""))


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    caplog.set_level(logging.INFO, "ml_endpoints.instances")
    lines = Lines()
    logging.getLogger("ml_endpoints.instances").addHandler(lines)
    yield lines
    logging.getLogger("ml_endpoints.instances").removeHandler(lines)


@pytest.fixture
def stories() -> NodeStories:
    stories = NodeStories()
    stories.own("g", Owner("online/iris/blue", f"00-{TRACE}-00f067aa0ba902b7-01"))
    return stories


def told(stories: NodeStories, node: Node, *seen: Health) -> None:
    for each in seen:
        stories.tell(node, each, "")


def test_a_life_is_told_once_in_the_trace_of_who_asked(stories: NodeStories, lines: Lines) -> None:
    told(stories, replace(NODE, state=NodeState.COMING), Health())
    told(stories, NODE, Health(), STARTING, STARTING, READY, READY)
    stories.gone([replace(NODE, state=NodeState.LEAVING)])
    stories.gone([])
    stories.gone([])
    assert lines.all == [
        ("instance_started", "g-0.1"),
        ("instance_ready", "g-0.1"),
        ("instance_stopped", "g-0.1"),
    ]
    assert lines.traces == {TRACE}


def test_a_process_that_dies_is_started_again_even_if_nobody_looked_between(
    stories: NodeStories, lines: Lines
) -> None:
    told(stories, NODE, READY, replace(READY, life="a.1", died="exit status 7"))
    assert [action for action, _ in lines.all] == [
        *("instance_started", "instance_ready", "instance_died"),
        *("instance_restarted", "instance_ready"),
    ]
    assert lines.reasons[2] == "exit status 7"


def test_one_that_falls_silent_is_unready_and_dies_once(stories: NodeStories, lines: Lines) -> None:
    told(stories, NODE, READY, replace(READY, ready=False, trouble="no answer in time"))
    stories.ended(NODE, "It has not answered for 15 s.", for_good=False)
    ended = replace(NODE, state=NodeState.ENDED, reason="It has not answered for 15 s.")
    assert not stories.is_new(ended, Health())
    told(stories, ended, Health())
    told(stories, replace(NODE, id="g-0.2"), READY)
    assert lines.all[2:] == [
        ("instance_unready", "g-0.1"),
        ("instance_died", "g-0.1"),
        ("instance_restarted", "g-0.2"),
        ("instance_ready", "g-0.2"),
    ]


def test_what_can_never_serve_is_given_up(stories: NodeStories, lines: Lines) -> None:
    failed = replace(STARTING, reason="score.py does not define run()")
    assert stories.is_new(NODE, failed)
    told(stories, NODE, failed, failed)
    assert not stories.is_new(NODE, failed)
    stories.gone([])
    assert [action for action, _ in lines.all] == ["instance_started", "instance_given_up"]


def test_one_that_ends_before_anybody_looks_has_been_started(
    stories: NodeStories, lines: Lines
) -> None:
    ended = replace(NODE, state=NodeState.ENDED, reason="exit status 1", hopeless=True)
    assert stories.is_new(ended, Health())
    told(stories, ended, Health())
    assert [action for action, _ in lines.all] == ["instance_started", "instance_given_up"]


def test_what_was_there_before_is_not_told_again(stories: NodeStories, lines: Lines) -> None:
    stories.adopt([NODE], {NODE.id: "a.0"})
    told(stories, NODE, READY)
    assert lines.all == []
    stories.gone([])
    assert lines.all == [("instance_stopped", "g-0.1")]
