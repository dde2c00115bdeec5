"""The studio's door, on what a test gives it."""

import azure.functions as func

from domain.application import StudioAccess
from domain.identities.sign_in_links import SignInLinks
from domain.ports import Cipher, Clients, SignIns
from handlers.http import Routes
from handlers.studio import portal
from studio.pages import Pages
from tests.kit.clocks import HeldClock
from tests.simulation.stores.memory_resource_store import MemoryResourceStore


def opened(
    routes: Routes, clients: Clients, sign_ins: SignIns, cipher: Cipher, pages: Pages
) -> func.Blueprint:
    """With links that nobody has made."""
    clock = HeldClock()
    links = SignInLinks(MemoryResourceStore(clock.unix), clients, clock)
    return portal.blueprint(routes, clients, StudioAccess(sign_ins, cipher, links), pages)
