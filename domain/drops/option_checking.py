"""Whether a job could be run by a drop's options now, for whoever has just written them."""

from domain.assets.datastore import INBOX, INBOX_DATASTORE, uri_of
from domain.drops.drop_options import DropOptions
from domain.errors import Invalid
from domain.jobs.invoking.job_expressions import filled
from domain.jobs.invoking.job_inputs import drop_input
from domain.jobs.invoking.job_invocation import JobInvocation
from domain.jobs.records.job_request import JobProperties
from domain.ports import BlobFolder

_ANY = "drop"


def job_of(id: str, asked: JobProperties) -> JobProperties:
    """What options ask of the job of the drop `id`, whose name it has. Raises Invalid."""
    named = filled(asked, {"name": id})
    properties = {**named.properties, "ml_endpoints.drop": id}
    return named.but(name=id, properties=properties)


class OptionChecking:
    def __init__(self, invocation: JobInvocation) -> None:
        self._invocation = invocation

    async def faults(self, endpoint: str, options: DropOptions) -> list[str]:
        """What a job of a drop of `endpoint` would be refused for now, in sentences."""
        try:
            asked = job_of(_ANY, options.job)
        except Invalid as error:
            return [error.message]
        input = drop_input(
            endpoint, BlobFolder(INBOX, endpoint), "", uri_of(INBOX_DATASTORE, endpoint)
        )
        found = await self._invocation.faults(endpoint, options.deployment, asked, drop=input)
        return [fault.message.removesuffix(".") for fault in found]
