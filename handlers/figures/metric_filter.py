"""`$filter` of metrics, as Azure Monitor has it: terms of a dimension joined by `or`, those of
different dimensions by `and`, with parentheses around the first where one likes."""

import re
from collections.abc import Iterator, Sequence

from domain.errors import Detail
from domain.figures.metric_query import Term
from domain.figures.metrics import Metric

_TOKEN = re.compile(
    r"\s*(?:(?P<punctuation>[()])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s+(?P<operator>eq|ne)\s+'(?P<value>(?:[^']|'')*)'"
    r"|(?P<join>and|or)\b)\s*",
    re.IGNORECASE,
)
_LONGEST = 4096
_MOST = 100
_HOW = "such as: deployment eq 'blue' and (statusCode eq '200' or statusCode eq '424')"


class _Unreadable(Exception):
    pass


def parsed(text: str, metrics: Sequence[Metric], faults: list[Detail]) -> tuple[Term, ...]:
    """With `faults` of what cannot be, or is no dimension of one of the metrics."""
    if not text.strip():
        return ()
    try:
        groups = list(_groups(text))
    except _Unreadable as why:
        faults.append(_fault(f"{why}. Write it {_HOW}."))
        return ()
    terms: dict[str, Term] = {}
    for group in groups:
        for term in _term(group, metrics, faults):
            before = terms.get(term.dimension)
            if before is None or not before.values:
                terms[term.dimension] = term
            elif term.values and before.negated and term.negated:
                both = (*before.values, *term.values)
                terms[term.dimension] = Term(term.dimension, both, negated=True)
            elif term.values:
                told = f"'{term.dimension}' comes twice; join its values by 'or'."
                faults.append(_fault(told))
    return tuple(terms.values())


Comparison = tuple[str, str, str]
"""A dimension, an operator and a value."""


def _groups(text: str) -> Iterator[list[Comparison]]:
    """What stands between the `and`s. Raises _Unreadable."""
    if len(text) > _LONGEST:
        raise _Unreadable(f"The $filter has more than {_LONGEST} characters")
    group: list[Comparison] = []
    at, depth, expects = 0, 0, True
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _Unreadable(f"The $filter is not understood at '{text[at : at + 40].strip()}'")
        at = found.end()
        if found["punctuation"]:
            depth += 1 if found["punctuation"] == "(" else -1
            if depth not in (0, 1) or (found["punctuation"] == "(") != expects:
                raise _Unreadable("The $filter's parentheses do not fit")
        elif found["name"]:
            if not expects:
                raise _Unreadable(f"The $filter lacks 'and' or 'or' before {found['name'][:40]}")
            value = found["value"].replace("''", "'")
            group.append((found["name"], found["operator"].casefold(), value))
            expects = False
        else:
            if expects:
                raise _Unreadable(f"The $filter has nothing before '{found['join']}'")
            expects = True
            if found["join"].casefold() == "and" and (not depth or group[-1][1] == "ne"):
                yield group
                group = []
    if depth or expects:
        raise _Unreadable("The $filter breaks off")
    yield group


def _term(
    group: Sequence[Comparison], metrics: Sequence[Metric], faults: list[Detail]
) -> Iterator[Term]:
    names = {name.casefold() for name, _, _ in group}
    operators = {operator for _, operator, _ in group}
    if len(names) > 1:
        faults.append(_fault("'or' may not stand between two dimensions; 'and' may."))
    elif len(operators) > 1:
        faults.append(_fault(f"'{group[0][0]}' is compared by eq or by ne, not by both."))
    elif len(group) > _MOST:
        faults.append(_fault(f"'{group[0][0]}' has more than {_MOST} values."))
    else:
        dimension = _known(group[0][0], metrics, faults)
        if dimension is not None:
            values = () if "*" in (g[2] for g in group) else tuple(g[2] for g in group)
            yield Term(dimension, values, negated=operators == {"ne"})


def _known(name: str, metrics: Sequence[Metric], faults: list[Detail]) -> str | None:
    """As it is spelled, if every metric has it."""
    for metric in metrics:
        if name.casefold() not in (each.casefold() for each in metric.asked_by):
            there = ", ".join(metric.asked_by) or "none"
            told = f"{metric.name} has no dimension '{name[:40]}'; its dimensions: {there}."
            faults.append(_fault(told))
            return None
    return next(
        (each for m in metrics for each in m.asked_by if each.casefold() == name.casefold()), None
    )


def _fault(message: str) -> Detail:
    return Detail("BadRequest", message, "$filter")
