"""What looks after an installation as a whole."""

from dataclasses import dataclass

from domain.usage.dead_messages import DeadMessages
from domain.usage.readiness import Readiness
from domain.usage.secret_renewing import SecretRenewing
from domain.usage.storage_usages import StorageUsages


@dataclass(frozen=True)
class UsageActivities:
    storage: StorageUsages
    readiness: Readiness
    renewing: SecretRenewing
    dead_messages: DeadMessages
