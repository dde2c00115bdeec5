"""Create Container and Get Container Properties. A container that a signed URL names is
there: its folder comes with its first blob, or by creating it."""

from email.utils import format_datetime

from starlette.responses import Response

from infra.embedded.blobs.file_blobs import FileBlobs
from infra.embedded.blobs.rest.properties import metadata
from infra.embedded.blobs.rest.refusals import bad_header
from infra.embedded.blobs.rest.requests import ContainerRequest
from infra.embedded.blobs.stored_blob import Container


async def create_container(files: FileBlobs, request: ContainerRequest) -> Response:
    if metadata(request.headers):
        raise bad_header("Containers have no metadata here.", "UnsupportedHeader")
    made = await files.make_container(request.container)
    return Response(status_code=201, headers=_about(made))


async def get_container_properties(files: FileBlobs, request: ContainerRequest) -> Response:
    found = await files.container(request.container)
    return Response(
        headers={
            **_about(found),
            "x-ms-lease-status": "unlocked",
            "x-ms-lease-state": "available",
            "x-ms-has-immutability-policy": "false",
            "x-ms-has-legal-hold": "false",
        }
    )


def _about(container: Container) -> dict[str, str]:
    return {
        "etag": container.etag,
        "last-modified": format_datetime(container.last_modified, usegmt=True),
    }
