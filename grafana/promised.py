"""What contracts in force promise, held against what is stored: the queries of the board *Contract*.

How a metric is made of columns, `pipeline/model/metrics.py` says. An estimate is over the objective's own window, which ends with
the newest window of the range; up to six hours of minutes, longer windows of hours. Nothing is read from before the
longest window that some promise has, and each row once: it is summed into its series and the shortest window that reaches
back to it, so a longer window is the sum of the shorter ones in it. What is summed is then held against each contract's patterns.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from collections.abc import Iterable, Iterator

from grafana.alerts import amount, plain
from grafana.sql import SEEN, Query, among, named
from pipeline.model.columns import OVERFLOW
from pipeline.model.metrics import MEASURES, METRICS, QUANTILES, Better, Family, Kind, Measure, Metric
from pipeline.operators.ladder import LOWEST

SIX_HOURS_NS = 6 * 3600 * 10**9
STATES = {
    Family.CALLS: {"latency_digest": "latency", "ttft_digest": "ttft", "tps_digest": "tps"},
    Family.TRACES: {"cost_digest": "cost_state", "latency_digest": "latency_state"},
    Family.SCORES: {},
}
TABLES = {Family.CALLS: "panes", Family.TRACES: "trace_panes", Family.SCORES: "score_panes"}
LONGER = {Family.CALLS: "panes_hourly_routes", Family.TRACES: "trace_panes_hourly", Family.SCORES: "score_panes_hourly"}
"""Of hours; no contract speaks of cohorts, so calls need none."""

LEVELS = ", ".join(map(str, QUANTILES.values()))
EMPTY = "CAST(base64Decode('AA=='), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)')"
OF_SCORES = ("value_sum", "weight", "fails_weight", "checked_weight", "ok", "checked")
PROMISE = ("contract", "rule", "metric", "direction", "bound", "minimum", "severity", "owner", "window_ns")
ROUTE = ("environment", "route")
MATCHED = (*ROUTE, "release", "model")
OF_ROUTE = "\n  AND ".join(map(among, ROUTE))
UNITS = {metric.name: metric.unit.value for metric in METRICS.values()}
UNIT = f"transform(metric, {list(UNITS)}, {list(UNITS.values())}, if(endsWith(metric, '.fail'), 'share', 'score'))"


def fits(column: str, patterns: str) -> str:
    """One of the patterns is for the name; what the cardinality limit put together is nobody's unless it is named."""
    return f"arrayExists(x -> match({column}, x) AND ({column} != '{OVERFLOW}' OR x = '^(?s:{OVERFLOW})$'), {patterns})"


def _of(family: Family) -> list[Metric]:
    return [metric for metric in METRICS.values() if metric.family is family]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _quantiles_of(family: Family, digest: str) -> Iterator[str]:
    """The metrics that need this digest; of the others' rows none is merged."""
    return (
        metric.name
        for metric in _of(family)
        if metric.kind is Kind.QUANTILE and metric.measure and metric.measure.digest == digest
    )


def _columns(family: Family) -> list[str]:
    """What is summed."""
    if family is Family.SCORES:
        return [*OF_SCORES]
    return sorted({name for metric in _of(family) for name in (metric.events, metric.of, metric.n, *metric.unknown) if name})


def _value(metric: Metric) -> str:
    """What is no quantile."""
    if metric.kind is Kind.SUM:
        return f"toFloat64(s_{metric.events})"
    if not metric.events:
        return "NULL"
    whole = " - ".join(f"s_{name}" for name in (metric.of, *metric.unknown))
    return f"toFloat64(s_{metric.events}) / nullIf(toFloat64({whole}), 0)"


def _quantile(family: Family, digest: str) -> tuple[str, str]:
    """For whom, and the quantile that the metric's name says; null if no value was seen."""
    names = _quoted(_quantiles_of(family, digest))
    found = f"q_{STATES[family][digest]}[indexOf([{names}], metric)]"
    return f"metric IN ({names})", f"if(isFinite({found}), {found}, NULL)"


def _estimate(family: Family) -> tuple[str, str]:
    """The value and its n, of the metric a row asks for."""
    if family is Family.SCORES:
        fails = "endsWith(metric, '.fail')"
        mean = "toFloat64(s_value_sum) / 1e6 / nullIf(toFloat64(s_weight), 0)"
        share = "toFloat64(s_fails_weight) / nullIf(toFloat64(s_checked_weight), 0)"
        return f"if({fails}, {share}, {mean})", f"if({fails}, s_checked, s_ok)"
    values = [_quantile(family, digest) for digest in STATES[family]]
    values += [(f"metric = '{one.name}'", _value(one)) for one in _of(family) if one.kind is not Kind.QUANTILE]
    value = ", ".join(f"{when}, {value}" for when, value in values)
    counted = {one.n: [other.name for other in _of(family) if other.n == one.n] for one in _of(family)}
    n = ", ".join(f"metric IN ({_quoted(names)}), {f's_{of}' if of else '0'}" for of, names in counted.items())
    return f"multiIf({value}, NULL)", f"multiIf({n}, 0)"


def _series(family: Family) -> list[str]:
    """What patterns of contracts speak of, and an evaluator's name."""
    return [
        *ROUTE,
        "release",
        *([] if family is Family.TRACES else ["model"]),
        *(["evaluator"] if family is Family.SCORES else []),
    ]


def _asked(family: Family) -> str:
    """Promises of metrics of this family."""
    if family is Family.SCORES:
        return f"match(metric, '\\\\.(mean|fail)$') AND metric NOT IN ({_quoted(METRICS)})"
    return f"metric IN ({_quoted(metric.name for metric in _of(family))})"


def _summed(family: Family, table: str, windows: str) -> str:
    """What each series of the table has had, by the shortest of the promised windows that reach back to it, `within`.

    Patterns are matched after: against some hundred sums, not against every row, for every promise.
    """
    wanted = f"{windows} AND {_asked(family)}"
    digests = [f"countIf(metric IN ({_quoted(_quantiles_of(family, digest))})) > 0" for digest in STATES[family]]
    sums = [f"sum(toInt256({name})) AS {name}" for name in _columns(family)]
    # The condition is one constant of the query: where nobody asks for a digest, none is read.
    sums += [
        f"quantilesTDigestMergeState({LEVELS})(if(asked.{i}, {state}, {EMPTY})) AS {state}"
        for i, state in enumerate(STATES[family].values(), 2)
    ]
    keys = ", ".join(_series(family))
    read = ", ".join(("window_start_ns", keys, *_columns(family), *STATES[family].values()))
    return (
        f"WITH (SELECT max(window_end_ns) FROM {table} WHERE $__timeFilter(window_start) AND {OF_ROUTE}) AS until,\n"
        f"(SELECT tuple({', '.join(('arraySort(groupUniqArray(window_ns))', *digests))}) FROM promises WHERE {wanted}) AS asked\n"
        f"SELECT {keys}, arrayFirst(w -> window_start_ns >= until - w, asked.1) AS within, {', '.join(sums)}\n"
        f"FROM (SELECT {read} FROM {table} FINAL\n"
        "PREWHERE window_start >= toDateTime(intDiv(until - arrayMax(asked.1), 1000000000)) AND window_start <= $__toTime\n"
        f"WHERE window_end_ns <= until AND {OF_ROUTE})\n"
        f"GROUP BY {keys}, within"
    )


def _estimated(family: Family) -> str:
    """Rows (promise, environment, route, n, value)."""
    states = (
        f"quantilesTDigestMergeIf({LEVELS})(r.{state}, o.metric IN ({_quoted(_quantiles_of(family, digest))})) AS q_{state}"
        for digest, state in STATES[family].items()
    )
    sums = (f"sum(r.{name}) AS s_{name}" for name in _columns(family))
    value, n = _estimate(family)
    own = " AND r.evaluator = replaceRegexpOne(o.metric, '\\\\.(mean|fail)$', '')" if family is Family.SCORES else ""
    matched = " AND ".join(fits(f"r.{one}" if one in _series(family) else "''", f"o.{one}s") for one in MATCHED)
    promise = ", ".join(f"o.{name} AS {name}" for name in PROMISE)
    short, long = f"window_ns <= {SIX_HOURS_NS}", f"window_ns > {SIX_HOURS_NS}"
    rows = "\nUNION ALL\n".join(
        f"SELECT *, {number} AS of_hours FROM (\n{_summed(family, table, windows)}\n)"
        for number, (table, windows) in enumerate(((TABLES[family], short), (LONGER[family], long)))
    )
    return (
        f"SELECT {', '.join((*PROMISE, *ROUTE))}, toInt64({n}) AS n, toNullable(toFloat64({value})) AS value FROM (\n"
        f"SELECT {promise}, r.environment AS environment, r.route AS route, {', '.join((*sums, *states))}\n"
        f"FROM (SELECT *, {long} AS of_hours FROM promises WHERE {_asked(family)}) AS o\n"
        f"INNER JOIN (\n{rows}\n) AS r ON r.of_hours = o.of_hours\n"
        f"WHERE r.within > 0 AND r.within <= o.window_ns AND {matched}{own}\n"
        f"GROUP BY {', '.join((*PROMISE, *ROUTE))})"
    )


ESTIMATED = "\nUNION ALL\n".join(map(_estimated, Family))

ALARMS = (
    "SELECT contract, rule, environment, route, countIf(tier = 'established') AS established, count() AS alarms, "
    "countIf(notEmpty(slice)) AS slices, anyIf(low, empty(slice)) AS low, anyIf(high, empty(slice)) AS high\n"
    "FROM latest_alerts WHERE state = 'firing' AND kind IN ('objective', 'no_data') GROUP BY contract, rule, environment, route"
)
KNOWN = f"SELECT DISTINCT environment, route FROM {SEEN} WHERE $__timeFilter(window_start)\n  AND {OF_ROUTE}"
BEYOND = "if(direction = 'at_most', value > bound, value < bound)"
STATUS = (
    f"multiIf(established > 0, 'broken', alarms > 0 OR (n >= minimum AND ifNull({BEYOND}, false)), 'crossed', "
    "n < minimum OR value IS NULL, 'no data', 'kept')"
)
RANK = "indexOf(['broken', 'crossed', 'no data', 'kept'], Status)"

_JUDGED = (
    f"SELECT {', '.join(f'p.{name} AS {name}' for name in PROMISE)}, k.environment AS environment, k.route AS route, "
    f"e.n AS n, e.value AS value, a.established AS established,\n"
    "  a.alarms AS alarms, a.slices AS slices, a.low AS low, a.high AS high\n"
    f"FROM promises AS p CROSS JOIN (\n{KNOWN}\n) AS k\n"
    f"LEFT JOIN (\n{ESTIMATED}\n) AS e ON e.contract = p.contract AND e.rule = p.rule AND e.environment = k.environment "
    "AND e.route = k.route\n"
    f"LEFT JOIN (\n{ALARMS}\n) AS a ON a.contract = p.contract AND a.rule = p.rule AND a.environment = k.environment "
    f"AND a.route = k.route\n"
    f"WHERE {fits('k.environment', 'p.environments')} AND {fits('k.route', 'p.routes')}"
)


def objectives() -> Query:
    """A row for each objective and route it is about, the worst first."""
    columns = (
        f"{STATUS} AS Status",
        *map(named, ROUTE),
        f"{plain('rule')} AS Objective",
        f"concat(if(direction = 'at_most', '≤ ', '≥ '), {amount('bound')}) AS Target",
        f"{amount('value')} AS Estimate",
        "n AS n",
        "minimum AS Minimum",
        f"{amount('low')} AS Low",
        f"{amount('high')} AS High",
        "slices AS Slices",
        "window_ns AS Window",
        "severity AS Severity",
        f"{plain('owner')} AS Owner",
        f"{plain('contract')} AS Contract",
    )
    return Query(
        "SELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM (SELECT *, {UNIT} AS unit FROM (\n{_JUDGED}\n))\nORDER BY {RANK}, Environment, Route, Contract, "
        "Objective\nLIMIT 500",
        table=True,
    )


def counted() -> Query:
    """One row: how many objectives stand how."""
    counts = ", ".join(f"countIf(status = '{name}') AS \"{name}\"" for name in ("kept", "crossed", "broken", "no data"))
    return Query(f"SELECT {counts} FROM (SELECT {STATUS} AS status FROM (\n{_JUDGED}\n))", table=True)


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
    read = ", ".join(("window_start", *_series(family), *sums))
    added = ", ".join(f"sum(toFloat64({name})) AS {name}_sum" for name in sums)
    return (
        f"SELECT {', '.join(_series(family))}, arrayFirst(p -> {reaches}, {periods}) AS period_ns,\n"
        f"  groupUniqArrayIf(window_start, {counted} > 0) AS hours, {added}\n"
        f"FROM (SELECT {read} FROM {LONGER[family]} FINAL\nWHERE {_since(asked)}{only})\n"
        f"GROUP BY {', '.join((*_series(family), 'period_ns'))}"
    )


def _of_ratios() -> str:
    """Of the budgets of what calls are: by name what is bad of it and of how many."""
    ratios = {one.name: one for one in _of(Family.CALLS) if one.kind is Kind.RATIO}
    parts = {name: _bad_and_all(one) for name, one in ratios.items()}
    bad, n = (f"multiIf({', '.join(f'b.ratio = {name!r}, {both[i]}' for name, both in parts.items())}, 0)" for i in range(2))
    asked = f"ratio IN ({_quoted(ratios)})"
    rows = _summed(Family.CALLS, asked, sorted({x for one in ratios.values() for x in (one.events, one.of)}), "requests")
    return _spent(asked, rows, "r.period_ns <= b.period_ns", ("uniqExactArray(r.hours)", bad, n, n), "r.model")


def _of_measure(measure: Measure) -> str:
    """Of the budgets of a measure how many values lie beyond their bound. Its ladder alone is read, and only if one asks;
    patterns are matched with series, since each match is an expression of its own.
    """
    asked, family = f"measure = '{measure.name}'", measure.family
    bins, counts = (f"{measure.ladder}_{what}" for what in ("bins", "bin_counts"))
    side = "<" if measure.better is Better.HIGH else ">"
    series = ", ".join(_series(family))
    bounds = f"SELECT DISTINCT beyond, period_ns, {rung('beyond', measure.scale)} AS edge FROM budgets WHERE {asked}"
    hours = (
        f"SELECT window_start, {series}, {bins}, {counts} FROM {LONGER[family]} FINAL\nWHERE {_since(asked)} AND notEmpty({bins})"
    )
    rows = (
        f"SELECT beyond, period_ns, {series}, groupUniqArray(window_start) AS hours, sum(arraySum({counts})) AS whole,\n"
        f"  sum(arraySum((x, c) -> if(x {side} edge, c, 0), {bins}, {counts})) AS bad\n"
        f"FROM ({bounds}) AS m CROSS JOIN (\n{hours}) AS h\n"
        "WHERE window_start >= $__toTime - toIntervalSecond(intDiv(period_ns, 1000000000))\n"
        f"GROUP BY beyond, period_ns, {series}"
    )
    columns = ("uniqExactArray(r.hours)", "toFloat64(r.bad)", "toFloat64(r.whole)", "toFloat64(r.whole)")
    within = "r.period_ns = b.period_ns AND r.beyond = b.beyond"
    return _spent(asked, rows, within, columns, "r.model" if "model" in _series(family) else "''")


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
        "FROM (\n" + "\nUNION ALL\n".join(parts) + "\n)\nORDER BY Left, Environment, Route, Contract, Budget\nLIMIT 500\n"
        # What the reader's profile asks for is right for digests and three times slower for sums of rows that FINAL merges.
        "SETTINGS optimize_aggregation_in_order = 0",
        table=True,
    )
