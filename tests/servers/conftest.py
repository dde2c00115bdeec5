from tests.servers.service_bus.fixtures import broker, entity

__all__ = ["broker", "entity"]
