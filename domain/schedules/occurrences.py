"""When a cron expression comes due by the clocks of a time zone.

Where clocks go forward, a time that they skip comes due by the time before the change: 02:30
at what is 03:30 then. Where they go back, a time that they show twice comes due the first time;
an expression for every hour does both times. No instant comes due twice.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from domain.schedules.cron import Cron

_NEAR = timedelta(hours=3)
"""Changes of the clocks move them by less."""
_SECOND = timedelta(seconds=1)


class Occurrences:
    def __init__(self, expression: str, zone: tzinfo) -> None:
        self._cron = Cron(expression)
        self._zone = zone

    def next_after(self, moment: datetime) -> datetime:
        """The first instant after `moment` (aware), in UTC."""
        moment = moment.astimezone(UTC)
        # Around a change of the clocks what is next may stand by the time before or after it.
        offsets = {self._offset(moment + near) for near in (-_NEAR, timedelta(0), _NEAR)}
        return min(self._next_by(moment, offset) for offset in offsets)

    def newest(self, first: datetime, now: datetime) -> datetime:
        """The last instant that is not after `now`, given one such: `first`."""
        before, after = first - _SECOND, now
        while after - before > _SECOND:
            middle = before + (after - before) / 2
            if self.next_after(middle) <= now:
                before = middle
            else:
                after = middle
        return max(first, self._last_within(before, now))

    def _last_within(self, before: datetime, now: datetime) -> datetime:
        found = self.next_after(before)
        while (following := self.next_after(found)) <= now:
            found = following
        return found

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta(0)

    def _next_by(self, moment: datetime, offset: timedelta) -> datetime:
        # Clock time, carried as though it were UTC.
        shown = moment + offset
        while True:
            shown = self._cron.next_after(shown)
            later = [instant for instant in self._instants(shown) if instant > moment]
            if later:
                return min(later)

    def _instants(self, shown: datetime) -> list[datetime]:
        first, second = (shown.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        twice = (first.utcoffset() or timedelta(0)) > (second.utcoffset() or timedelta(0))
        times = [first, second] if twice and self._cron.is_every_hour else [first]
        return [time.astimezone(UTC) for time in times]
