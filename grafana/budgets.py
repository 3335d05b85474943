"""What is left of the error budgets of contracts in force, from hours: the table *Error budgets* of the board *Contract*.

Bad of a ratio are the events of its metric; of a measure the values beyond a bound, counted over the ladder of thresholds.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from collections.abc import Iterable

from grafana.alerts import plain
from grafana.promised import LONGER, OF_ROUTE, ROUTE, fits, of_family, quoted, series
from grafana.sql import IN_ANY_ORDER, Query, named
from pipeline.model.metrics import MEASURES, Better, Family, Kind, Measure, Metric
from pipeline.operators.ladder import LOWEST


def rung(beyond: str, scale: int) -> str:
    """Index of the ladder's first edge at or above a bound (`pipeline/operators/ladder.py`): edges are rounded to integers.

    Beyond 9e10 a bound that is next to an edge, by one unit, may be taken for it: logarithms do not tell them apart.
    """
    steps = f"2 * log(greatest(ceil({beyond} * {scale}) - 0.5, 1) / {LOWEST}) / log(1.02)"
    return f"greatest(0, toInt64(ceil({steps})))"


def _bad_and_all(metric: Metric) -> tuple[str, str]:
    """Of a ratio what its budget calls bad, and of how many, as sums of a series."""
    bad = f"r.{metric.of}_sum - r.{metric.events}_sum" if metric.better is Better.HIGH else f"r.{metric.events}_sum"
    return bad, f"r.{metric.of}_sum"


def _since(asked: str) -> str:
    """Hours within the longest period of the budgets that `asked` admits, of the selected routes."""
    longest = f"(SELECT max(intDiv(period_ns, 1000000000)) FROM budgets WHERE {asked})"
    return f"window_start >= $__toTime - toIntervalSecond({longest}) AND window_start <= $__toTime AND {OF_ROUTE}"


def _spent(asked: str, rows: str, within: str, columns: Iterable[str], model: str, own: str = "") -> str:
    """Rows (budget, environment, route, hours seen, share that is bad, n) of the budgets that `asked` admits.

    columns: hours seen, what is bad, the whole and n, over `rows`; within: which rows a budget's period holds.
    """
    seen, bad, whole, n = columns
    names = {"r.environment": "b.environments", "r.route": "b.routes", model: "b.models", "r.release": "b.releases"}
    return (
        "SELECT b.contract AS contract, b.rule AS rule, b.owner AS owner, b.target AS target, b.period_ns AS period_ns,\n"
        f"  r.environment AS environment, r.route AS route, {seen} * 3600000000000 AS seen,\n"
        f"  sum({bad}) / nullIf(sum({whole}), 0) AS bad, sum({n}) AS n\n"
        f"FROM (SELECT * FROM budgets WHERE {asked}) AS b CROSS JOIN (\n{rows}\n) AS r\n"
        f"WHERE {within} AND {' AND '.join(fits(*one) for one in names.items())}{own}\n"
        "GROUP BY contract, rule, owner, target, period_ns, environment, route"
    )


def _summed(family: Family, asked: str, sums: Iterable[str], counted: str, only: str = "") -> str:
    """Rows of hours as sums of each series and the shortest period that reaches back to them: there are most of them, so they are
    matched after. counted: the sum without which an hour was not counted.
    """
    periods = f"(SELECT arraySort(groupUniqArray(period_ns)) FROM budgets WHERE {asked})"
    reaches = "window_start >= $__toTime - toIntervalSecond(intDiv(p, 1000000000))"
    read = ", ".join(("window_start", *series(family), *sums))
    added = ", ".join(f"sum(toFloat64({name})) AS {name}_sum" for name in sums)
    return (
        f"SELECT {', '.join(series(family))}, arrayFirst(p -> {reaches}, {periods}) AS period_ns,\n"
        f"  groupUniqArrayIf(window_start, {counted} > 0) AS hours, {added}\n"
        f"FROM (SELECT {read} FROM {LONGER[family]} FINAL\nWHERE {_since(asked)}{only})\n"
        f"GROUP BY {', '.join((*series(family), 'period_ns'))}"
    )


def _of_ratios() -> str:
    """Of the budgets of what calls are: by name what is bad of it and of how many."""
    ratios = {one.name: one for one in of_family(Family.CALLS) if one.kind is Kind.RATIO}
    parts = {name: _bad_and_all(one) for name, one in ratios.items()}
    bad, n = (f"multiIf({', '.join(f'b.ratio = {name!r}, {both[i]}' for name, both in parts.items())}, 0)" for i in range(2))
    asked = f"ratio IN ({quoted(ratios)})"
    rows = _summed(Family.CALLS, asked, sorted({x for one in ratios.values() for x in (one.events, one.of)}), "requests")
    return _spent(asked, rows, "r.period_ns <= b.period_ns", ("uniqExactArray(r.hours)", bad, n, n), "r.model")


def _of_measure(measure: Measure) -> str:
    """Of the budgets of a measure how many values lie beyond their bound. Its ladder alone is read, and only if one asks;
    patterns are matched with series, since each match is an expression of its own.
    """
    asked, family = f"measure = '{measure.name}'", measure.family
    bins, counts = (f"{measure.ladder}_{what}" for what in ("bins", "bin_counts"))
    side = "<" if measure.better is Better.HIGH else ">"
    keys = ", ".join(series(family))
    bounds = f"SELECT DISTINCT beyond, period_ns, {rung('beyond', measure.scale)} AS edge FROM budgets WHERE {asked}"
    hours = (
        f"SELECT window_start, {keys}, {bins}, {counts} FROM {LONGER[family]} FINAL\nWHERE {_since(asked)} AND notEmpty({bins})"
    )
    rows = (
        f"SELECT beyond, period_ns, {keys}, groupUniqArray(window_start) AS hours, sum(arraySum({counts})) AS whole,\n"
        f"  sum(arraySum((x, c) -> if(x {side} edge, c, 0), {bins}, {counts})) AS bad\n"
        f"FROM ({bounds}) AS m CROSS JOIN (\n{hours}) AS h\n"
        "WHERE window_start >= $__toTime - toIntervalSecond(intDiv(period_ns, 1000000000))\n"
        f"GROUP BY beyond, period_ns, {keys}"
    )
    columns = ("uniqExactArray(r.hours)", "toFloat64(r.bad)", "toFloat64(r.whole)", "toFloat64(r.whole)")
    within = "r.period_ns = b.period_ns AND r.beyond = b.beyond"
    return _spent(asked, rows, within, columns, "r.model" if "model" in series(family) else "''")


EVALUATOR = "replaceRegexpOne(ratio, '\\\\.fail$', '')"


def _of_evaluators() -> str:
    """Of the budgets of what an evaluator fails: shares are weighted, n is how many scores they are of."""
    asked = "endsWith(ratio, '.fail')"
    sums = ("fails_weight", "checked_weight", "checked")
    only = f"\n  AND evaluator IN (SELECT {EVALUATOR} FROM budgets WHERE {asked})"
    columns = ("uniqExactArray(r.hours)", *(f"r.{name}_sum" for name in sums))
    own = f" AND r.evaluator = {EVALUATOR}"
    return _spent(
        asked, _summed(Family.SCORES, asked, sums, "checked", only), "r.period_ns <= b.period_ns", columns, "r.model", own
    )


def budgets() -> Query:
    """A row for each budget: what is left of it over its period, from hours."""
    measured = [_of_measure(one) for one in MEASURES.values() if one.digest and one.ladder]
    parts = [_of_evaluators(), _of_ratios(), *measured]
    return Query(
        f"SELECT {', '.join(map(named, ROUTE))}, {plain('rule')} AS Budget, 1 - bad / nullIf(1 - target, 0) AS Left,\n"
        "  bad AS Bad, 1 - target AS Allowed, n AS n, period_ns AS Period, seen AS Seen, "
        f"{plain('owner')} AS Owner, {plain('contract')} AS Contract\n"
        "FROM (\n" + "\nUNION ALL\n".join(parts) + "\n)\n"
        f"ORDER BY Left, Environment, Route, Contract, Budget\nLIMIT 500{IN_ANY_ORDER}",
        table=True,
    )
