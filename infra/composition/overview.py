"""What a page that shows the whole workspace needs."""

from domain.batch.activities import BatchActivities
from domain.figures.activities import FigureActivities
from domain.jobs.activities import JobActivities
from domain.online.activities import OnlineActivities
from domain.overview.overview_reading import OverviewReading
from infra.composition.ground import Ground


def compose_overview(
    ground: Ground,
    *,
    figures: FigureActivities,
    online: OnlineActivities,
    batch: BatchActivities,
    jobs: JobActivities,
) -> OverviewReading:
    a = ground.adapters
    return OverviewReading(
        a.store,
        a.clock,
        a.figures,
        figures.gathering,
        jobs.collection,
        online.documents.types,
        batch.documents.types,
    )
