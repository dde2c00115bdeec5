"""Operations that no call can bring to a 2xx here, each with its reason."""

from collections.abc import Mapping
from typing import Final

_BUILT_IN: Final = "datastores are built in: there are two, and no others can be made"
_CODE: Final = "its code is sent to the subscriber alone, at an address outside"
_NOTHING_DEAD: Final = (
    "a sound host puts no message aside (tests/handlers/control/test_dead_messages.py)"
)
_SERVER: Final = "a server of the user's own answers there, which only containers can run"
_STUDIO: Final = (
    "needs people to sign in at an issuer (tests/handlers/studio/test_studio_sessions.py)"
)

UNREACHED: Final[Mapping[str, str]] = {
    "change_studio_session": _STUDIO,
    "confirm_event_subscription": _CODE,
    "confirm_event_subscription_by_post": _CODE,
    "delete_datastore": _BUILT_IN,
    "delete_queue_dead_letter": _NOTHING_DEAD,
    "get_queue_dead_letter": _NOTHING_DEAD,
    "get_studio": "serves files that `make studio` builds (tests/handlers/studio/test_portal.py)",
    "put_datastore": _BUILT_IN,
    "score_online_endpoint_path": _SERVER,
    "score_online_endpoint_path_by_host_score": _SERVER,
    "score_online_endpoint_path_by_host_v1": _SERVER,
    "score_online_endpoint_path_by_host_v2": _SERVER,
}
