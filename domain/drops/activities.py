"""What is done with blobs in the inbox, as one record for the triggers to share."""

from dataclasses import dataclass

from domain.drops import blob_drop, taken_drops
from domain.drops.blob_dropping import BlobDropping
from domain.drops.open_drops import OpenDrops
from domain.drops.taken_drops import TakenDrops
from domain.ground.driving.sweeping import Resume


@dataclass(frozen=True)
class DropActivities:
    dropping: BlobDropping
    taken: TakenDrops
    open: OpenDrops

    @property
    def owners(self) -> dict[str, Resume]:
        """Who resumes what of it the sweep finds."""
        return {blob_drop.KIND: self.dropping.resume, taken_drops.KIND: self.taken.resume}
