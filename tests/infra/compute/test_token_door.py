"""The door for tokens of an agent beside a server of the user's own."""

from domain.ports import EnvironmentSpec, InstanceSize, OwnServer, Program, ServerRoute
from infra.compute.remote.fleet import NodeGroup
from infra.compute.token_door import token_door, token_door_variables


def group(port: int, **spec: object) -> NodeGroup:
    route = ServerRoute("/", port)
    server = OwnServer(route, route, route, "/models", "/code", ("serve",))
    size = InstanceSize(1, 2**30)
    program = Program(EnvironmentSpec("3.11", ()), None, None, None, {}, size, server=server)
    return NodeGroup("g", "online/iris/g", program, spec, "s" * 40, drain=7)


def test_it_is_at_a_port_that_the_server_does_not_use_and_the_server_is_told() -> None:
    lent = {"authorities": "PEM"}
    assert token_door(group(8000, identity=lent))["identity"]["port"] == 5002
    taken = group(5002, identity=lent)
    door = token_door(taken)["identity"]
    assert door["port"] == 15002
    variables = token_door_variables(taken)
    assert variables["IDENTITY_ENDPOINT"] == "http://127.0.0.1:15002/msi/token"
    assert variables["IDENTITY_HEADER"] == door["secret"]
    assert variables["ML_ENDPOINTS_AUTHORITIES"] == "PEM"


def test_there_is_none_for_nobody() -> None:
    assert token_door(group(8000)) == {}
    assert token_door_variables(group(8000)) == {}
