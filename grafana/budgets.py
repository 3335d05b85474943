"""What is left of the error budgets of contracts in force, from hours: the table *Error budgets* of the board *Contract*.

Bad of a ratio are the events of its metric; of a measure the values beyond a bound, counted over the ladder of thresholds.

As of objectives (`grafana/promised.py`) the plan costs most, so each family is read once. What its budgets count are sums, each
with a name, of each series and the shortest period that reaches back to the hour; a budget says which of the names it takes.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana.alerts import plain
from grafana.promised import LONGER, MATCHED, OF_ROUTE, ROUTE, fits, of_family, quoted, series
from grafana.sql import IN_ANY_ORDER, Query, named
from pipeline.model.metrics import MEASURES, Better, Family, Kind, Measure, Metric, metric
from pipeline.operators.ladder import LOWEST

BUDGET = ("contract", "rule", "owner", "target", "period_ns")
OF_EVALUATOR = metric("x.fail")
"""How a share of any evaluator's is made."""


def rung(beyond: str, scale: int | str) -> str:
    """Index of the ladder's first edge at or above a bound (`pipeline/operators/ladder.py`): edges are rounded to integers.

    Beyond 9e10 a bound that is next to an edge, by one unit, may be taken for it: logarithms do not tell them apart.
    """
    steps = f"2 * log(greatest(ceil({beyond} * {scale}) - 0.5, 1) / {LOWEST}) / log(1.02)"
    return f"greatest(0, toInt64(ceil({steps})))"


def _ratios(family: Family) -> list[Metric]:
    if family is Family.SCORES:
        return [OF_EVALUATOR] if OF_EVALUATOR else []
    return [one for one in of_family(family) if one.kind is Kind.RATIO]


def _measures(family: Family) -> list[Measure]:
    """Those that are counted over the ladder: they can have a budget."""
    return [one for one in MEASURES.values() if one.family is family and one.ladder]


def _columns(family: Family) -> list[str]:
    return sorted({name for one in _ratios(family) for name in (one.events, one.of, one.n)})


MADE = {
    one.name if one.family is not Family.SCORES else "": f"{one.events} {one.of} {one.n} {int(one.better is Better.HIGH)} "
    f"{[*Family].index(family) + 1} 1"
    for family in Family
    for one in _ratios(family)
} | {
    one.name: f"{one.name}: {one.name} {one.name} 0 {[*Family].index(family) + 1} {place}"
    for family in Family
    for place, one in enumerate(_measures(family), 2)
}
"""Of what a budget can be, "" for an evaluator's fails: the names of the sums of its events, of all, and of n; whether the events
are the good ones; its family; and in which place a row has the hours that were counted. Of a measure the name of the events goes
on with the rung: beyond it lies what is bad.
"""
EVENTS, ALL, N, IS_GOOD, FAMILY, HOURS = (f"b.made[{i}]" for i in range(1, 7))
SCALES = {one.name: one.scale for family in Family for one in _measures(family)}
EVALUATOR = "replaceRegexpOne(ratio, '[.]fail$', '')"
RUNG = rung("beyond", f"transform(measure, [{quoted(SCALES)}], [{', '.join(map(str, SCALES.values()))}], 1)")
BUDGETS = (
    f"SELECT {', '.join(BUDGET)}, measure, {', '.join(f'{name}s' for name in MATCHED)},\n"
    f"  if(endsWith(ratio, '.fail'), {EVALUATOR}, '') AS evaluator,\n"
    f"  splitByChar(' ', transform(if(evaluator = '', concat(ratio, measure), ''), [{quoted(MADE)}], [{quoted(MADE.values())}], "
    f"'')) AS made,\n  concat(made[1], if(measure = '', '', toString({RUNG}))) AS events FROM budgets"
)


def _asked(family: Family) -> str:
    """Of the family's budgets the periods, how many, and the rungs of each of its measures; of scores the evaluators."""
    measures = _measures(family)
    rungs = [f"groupUniqArrayIf({rung('beyond', one.scale)}, measure = '{one.name}')" for one in measures]
    of = f"concat(ratio, measure) IN ({quoted(one.name for one in (*_ratios(family), *measures))})"
    if family is Family.SCORES:
        rungs, of = [f"groupUniqArray({EVALUATOR})"], "endsWith(ratio, '.fail')"
    return f"SELECT ({', '.join(('arraySort(groupUniqArray(period_ns))', 'count()', *rungs))}) FROM budgets WHERE {of}"


def _beyond(place: int, one: Measure) -> tuple[str, str, str]:
    """Of a measure the names of its sums, the sums, and whether a row has any.

    What nobody asks for is not read: the condition is a constant of the query.
    """
    bins, counts = (f"if(notEmpty(asked.{place}), {one.ladder}_{what}, [])" for what in ("bins", "bin_counts"))
    side = "<" if one.better is Better.HIGH else ">"
    bad = f"sumForEach(arrayMap(edge -> toFloat64(arraySum((x, c) -> if(x {side} edge, c, 0), {bins}, {counts})), asked.{place}))"
    names = f"['{one.name}'], arrayMap(edge -> concat('{one.name}:', toString(edge)), asked.{place})"
    known = " - ".join((f"toFloat64(arraySum({counts}))", *one.unknown))  # what is unknown lies in bin 0
    return names, f"[sum({known})], {bad}", f"notEmpty({bins})"


def _rows(number: int, family: Family) -> str:
    """What each series had, by the shortest of the periods that reach back to it; and in which hours something was counted."""
    keys, columns = series(family), _columns(family)
    measured = [_beyond(place, one) for place, one in enumerate(_measures(family), 3)]
    seen = {Family.CALLS: "requests > 0", Family.TRACES: "false", Family.SCORES: "checked > 0"}[family]
    key = [name if name in keys else f"'' AS {name}" for name in (*MATCHED, "evaluator")]
    names = [f"[{quoted(columns)}]"] if columns else []
    sums = [f"[{', '.join(f'sum(toFloat64({name}))' for name in columns)}]"] if columns else []
    only = " AND has(asked.3, evaluator)" if family is Family.SCORES else ""
    hours = ", ".join(f"groupUniqArrayIf(window_start, {one})" for one in (seen, *(one for _, _, one in measured)))
    return (
        f"WITH ({_asked(family)}) AS asked\n"
        f"SELECT '{number}' AS family, {', '.join(key)},\n"
        "  arrayFirst(p -> window_start >= $__toTime - toIntervalSecond(intDiv(p, 1000000000)), asked.1) AS within,\n"
        f"  arrayConcat({', '.join([*names, *(one for one, _, _ in measured)])}) AS names,\n"
        f"  arrayConcat({', '.join([*sums, *(one for _, one, _ in measured)])}) AS sums, [{hours}] AS hours\n"
        f"FROM {LONGER[family]} FINAL\n"
        "PREWHERE window_start >= $__toTime - toIntervalSecond(intDiv(arrayMax(asked.1), 1000000000)) "
        f"AND window_start <= $__toTime{only}\nWHERE asked.2 > 0 AND {OF_ROUTE}\nGROUP BY {', '.join((*keys, 'within'))}"
    )


def _spent() -> str:
    """Rows (budget, environment, route, hours seen, share that is bad, n). Of a measure that had no value there is none."""
    rows = "\nUNION ALL\n".join(_rows(number, family) for number, family in enumerate(Family, 1))
    events, whole, n = (f"r.sums[indexOf(r.names, {name})]" for name in ("b.events", ALL, N))
    return (
        f"SELECT {', '.join(f'b.{name} AS {name}' for name in BUDGET)}, r.environment AS environment, r.route AS route,\n"
        f"  uniqExactArray(r.hours[toUInt8({HOURS})]) * 3600000000000 AS seen,\n"
        f"  sum(if({IS_GOOD} = '1', {whole} - {events}, {events})) / nullIf(sum({whole}), 0) AS bad, sum({n}) AS n\n"
        f"FROM (\n{BUDGETS}\n) AS b CROSS JOIN (\n{rows}\n) AS r\n"
        f"WHERE r.family = {FAMILY} AND r.within BETWEEN 1 AND b.period_ns AND r.evaluator = b.evaluator\n"
        f"  AND {' AND '.join(fits(f'r.{name}', f'b.{name}s') for name in MATCHED)}\n"
        f"GROUP BY {', '.join((*BUDGET, 'b.measure', *ROUTE))} HAVING b.measure = '' OR seen > 0"
    )


def budgets() -> Query:
    """A row for each budget: what is left of it over its period, from hours."""
    return Query(
        f"SELECT {', '.join(map(named, ROUTE))}, {plain('rule')} AS Budget, 1 - bad / nullIf(1 - target, 0) AS Left,\n"
        "  bad AS Bad, 1 - target AS Allowed, n AS n, period_ns AS Period, seen AS Seen, "
        f"{plain('owner')} AS Owner, {plain('contract')} AS Contract\n"
        f"FROM (\n{_spent()}\n)\nORDER BY Left, Environment, Route, Contract, Budget\nLIMIT 500{IN_ANY_ORDER}",
        table=True,
    )
