"""The rows, by OWASP's numbers."""

from collections.abc import Callable, Iterator, Mapping

from tests.attack.ground import Attempt, Ground
from tests.attack.rows import access, credentials, limits, outside

ROWS: Mapping[str, tuple[str, Callable[[Ground], Iterator[Attempt]]]] = {
    "API1": ("broken object level authorization", access.objects),
    "API2": ("broken authentication", credentials.credentials),
    "API3": ("broken object property level authorization", access.properties),
    "API4": ("unrestricted resource consumption", limits.consumption),
    "API5": ("broken function level authorization", access.functions),
    "API6": ("unrestricted access to sensitive business flows", limits.flows),
    "API7": ("server side request forgery", outside.outbound),
    "API8": ("security misconfiguration", outside.configuration),
    "API9": ("improper inventory management", outside.inventory),
    "API10": ("unsafe consumption of APIs", limits.answers),
}
