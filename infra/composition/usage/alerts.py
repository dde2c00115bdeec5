"""Rules over figures."""

from domain.alerts.activities import AlertActivities
from domain.alerts.alert_checks import AlertScopes
from domain.alerts.alert_looking import AlertLooking
from domain.alerts.metric_alerts import MetricAlerts
from domain.batch.activities import BatchActivities
from domain.figures.activities import FigureActivities
from domain.figures.figure_reading import FigureReading
from domain.figures.outside_figures import NoOutsideFigures
from domain.online.activities import OnlineActivities
from infra.composition.ground import Ground


def compose_alerts(
    ground: Ground,
    *,
    figures: FigureActivities,
    online: OnlineActivities,
    batch: BatchActivities,
) -> AlertActivities:
    a = ground.adapters
    scopes = AlertScopes(ground.scope, online.documents, batch.documents)
    # Our own: those of others come some minutes late.
    own = FigureReading(a.figures, figures.gathering, a.clock, NoOutsideFigures())
    looking = AlertLooking(own, scopes)
    return AlertActivities(MetricAlerts(a.store, ground.outbox, a.clock, scopes, looking))
