"""Clients, links, permissions and the audit log, as they are shown."""

from datetime import datetime

from domain.identities.sign_in_link import LinkState
from domain.values import Value
from handlers.answers.envelope import Maybe, ResourceAnswer


class ClientPropertiesAnswer(Value):
    client_id: str
    role: str
    client_secret: Maybe[str] = None
    """Told once, when it is made."""


class ClientAnswer(ResourceAnswer[ClientPropertiesAnswer]):
    """Somebody who may ask for tokens, and his roles."""


class SignInLinkProperties(Value):
    state: LinkState
    expires_at: datetime
    used_at: datetime | None
    used_from: str | None
    ends_at: datetime | None
    link: Maybe[str] = None
    """Told once, when it is made."""


class SignInLinkAnswer(ResourceAnswer[SignInLinkProperties]):
    """A link that signs a client in to the studio once, and the session that it became."""


class PermissionAnswer(Value):
    actions: list[str]
    not_actions: list[str]
    data_actions: list[str]
    not_data_actions: list[str]


class PermissionsAnswer(Value):
    value: list[PermissionAnswer]
    allowed_actions: list[str]


class SaidAnswer(Value):
    value: str
    localized_value: str


class HttpRequestAnswer(Value):
    method: str | None
    client_ip_address: str | None
    client_request_id: str | None


class ActPropertiesAnswer(Value):
    status_code: Maybe[int] = None
    count: int
    roles: list[str]
    error_code: Maybe[str] = None
    client: Maybe[str] = None
    operation: Maybe[str] = None
    path: Maybe[str] = None
    user_agent: Maybe[str] = None
    end_timestamp: Maybe[datetime] = None


class ActAnswer(Value):
    """Who did what: Azure Monitor's EventData."""

    id: str
    event_data_id: str
    event_timestamp: datetime
    event_name: SaidAnswer
    category: SaidAnswer
    level: str
    caller: str | None
    operation_name: SaidAnswer
    status: SaidAnswer
    sub_status: SaidAnswer
    http_request: HttpRequestAnswer
    correlation_id: str | None
    resource_id: str
    resource_type: SaidAnswer
    resource_group_name: str
    resource_provider_name: SaidAnswer
    subscription_id: str
    properties: ActPropertiesAnswer
