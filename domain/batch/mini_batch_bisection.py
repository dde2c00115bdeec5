"""Which files of a failed mini-batch are bad: it is bisected, one stretch of its files at a time.

A stretch that runs well is good. One that fails is bisected in its turn, down to single files: one
that fails by itself is bad. Where the first half of what fails has run well, the second is known
to fail and is bisected without a run. A last stretch that nothing is known of is run together with
all good files: if that goes well, there is no more to do. So b bad files of n are found, and the
rows of the others had, by at most 2·b·log2(n) + 1 runs.
"""

from typing import Annotated, Self

from domain.values import Value, unsaid

MOST_BAD = 1000
"""Once so many stretches are known to be bad, what is not known to be good is, too."""

_AT_LENGTH = 32
_ERROR, _SHORT_ERROR, _LOG = 2_000, 250, 4_000


class BadFiles(Value):
    """`count` files from `first` on, counted from 0 within the mini-batch: one, but for what was
    given up without a look at each. `tries` are the runs that failed with them."""

    first: int
    count: int = 1
    tries: int
    error: str
    log_excerpt: str | None = None


class Stretch(Value):
    """Files from `start` to before `stop`, of which `tries` runs have failed. `fails`: that is
    known of them, whether they were run by themselves or not. `fails_if`: it is as soon as the
    stretch before this one is good."""

    start: int
    stop: int
    tries: int
    fails: bool = False
    fails_if: bool = False

    @property
    def is_one_file(self) -> bool:
        return self.stop - self.start == 1


class Bisection(Value):
    """`pending` are the stretches not known to be good or bad, in the order in which they are
    looked at. `is_unit`: the mini-batch is a unit by itself, so that a run of its good files
    repeats none of another. `lost` workers are not taken for the fault of the file at hand yet."""

    files: int
    pending: tuple[Stretch, ...]
    bad: Annotated[tuple[BadFiles, ...], unsaid(())] = ()
    is_unit: bool
    lost: int = 0

    @classmethod
    def of(cls, files: int, tries: int, *, is_unit: bool) -> Self:
        """Of a mini-batch of two files or more, which has failed so many `tries`."""
        whole = Stretch(start=0, stop=files, tries=tries, fails=True)
        return cls(files=files, pending=_opened((whole,)), is_unit=is_unit)

    @property
    def next_test(self) -> range | None:
        """The files to be run next, for what that tells. None: the `rest` is to be run."""
        if not self.pending:
            return None
        first = self.pending[0]
        if self.is_unit and len(self.pending) == 1 and not first.fails:
            return None
        return range(first.start, first.stop)

    @property
    def rest(self) -> list[int]:
        """The files that are not bad."""
        bad = {index for b in self.bad for index in range(b.first, b.first + b.count)}
        return [index for index in range(self.files) if index not in bad]

    def passed(self) -> Self:
        """After a test that went well."""
        following = self.pending[1:]
        if following and following[0].fails_if:
            following = (following[0].but(fails=True, fails_if=False), *following[1:])
        return self.but(pending=_opened(following), lost=0)

    def failed(self, error: str, log_excerpt: str | None = None) -> Self:
        """After a test that failed."""
        first, following = self.pending[0], _unconditional(self.pending[1:])
        if not first.is_one_file:
            return self._failing(first, following)
        found = _bad(first, len(self.bad), error, log_excerpt)
        after = self.but(bad=(*self.bad, found), pending=_opened(following), lost=0)
        return after._given_up(error) if len(after.bad) >= MOST_BAD else after

    def lost_one(self, error: str, patience: int) -> Self:
        """After a test whose worker timed out or died. For a single file that is no proof until
        it has come about more than `patience` times: it may have been the worker's own affair."""
        if self.pending[0].is_one_file and self.lost < patience:
            return self.but(lost=self.lost + 1)
        return self.failed(error)

    def rest_passed(self) -> Self:
        """After the `rest` went well."""
        return self.but(pending=())

    def rest_failed(self) -> Self:
        """After the `rest` has failed with the one stretch in it that was not known."""
        return self._failing(self.pending[0], ())

    def _failing(self, first: Stretch, following: tuple[Stretch, ...]) -> Self:
        failing = first.but(fails=True, tries=first.tries + 1)
        return self.but(pending=_opened((failing, *following)), lost=0)

    def _given_up(self, error: str) -> Self:
        text = f"Not looked at: {MOST_BAD} files of the mini-batch are bad. The last: {error}"
        unknown = [_bad(each, len(self.bad), text, None) for each in self.pending]
        return self.but(bad=(*self.bad, *unknown), pending=())


def _opened(pending: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """With nothing before what is to be run but halves of what fails."""
    while pending and pending[0].fails and not pending[0].is_one_file:
        first, *others = pending
        # The second half is the larger: it is known to fail where the first is good.
        middle = first.start + (first.stop - first.start) // 2
        halves = (
            Stretch(start=first.start, stop=middle, tries=first.tries),
            Stretch(start=middle, stop=first.stop, tries=first.tries, fails_if=True),
        )
        pending = (*halves, *others)
    return pending


def _unconditional(pending: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """What follows a stretch that is bad: nothing is known of it by that."""
    return (pending[0].but(fails_if=False), *pending[1:]) if pending else pending


def _bad(stretch: Stretch, found: int, error: str, log_excerpt: str | None) -> BadFiles:
    """With texts that a document has room for, which has `found` others already."""
    at_length = found < _AT_LENGTH
    return BadFiles(
        first=stretch.start,
        count=stretch.stop - stretch.start,
        tries=stretch.tries + 1,
        error=error[: _ERROR if at_length else _SHORT_ERROR],
        log_excerpt=log_excerpt[-_LOG:] if log_excerpt and at_length else None,
    )
