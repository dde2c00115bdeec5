"""What is beside the workspace: in its resource group."""

from cli.verbs import Session


def group_of(session: Session) -> str:
    """The address of the workspace's resource group."""
    return session.context.url + group_id(session)


def group_id(session: Session) -> str:
    return session.context.workspace.partition("/providers/")[0]


def resource_group(id: str) -> str:
    """The name of the one that an ARM id is in."""
    return id.split("/")[4]
