"""What contracts in force promise, held against what is stored: the objectives of the board *Contract*.

An estimate is over the window of its objective, which ends with the newest of the range, of whatever route; up to six hours
of minutes, longer windows of hours. Nothing is read from before the longest window that some promise has, each row once: it is
summed into its series and the shortest window that reaches back to it, so a longer window is the sum of the shorter ones in it.

The server takes longer to plan such a query than to answer it, so this one is planned in few steps: what the promises ask of
the store is a hidden variable, a constant here; the six tables, the known routes and the alarms give rows of one shape; what a
metric is made of (`pipeline/model/metrics.py`) are places in these; and each row is held against each promise, by the contract's
patterns, and summed once more.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from collections.abc import Iterable

from grafana.alerts import OF_ROUTE, amount, plain
from grafana.sql import SEEN, Query, named
from pipeline.model.columns import OVERFLOW
from pipeline.model.metrics import METRICS, QUANTILES, Family, Kind, Measure, Metric, metric
from pipeline.operators.ladder import LOWEST

SIX_HOURS_NS = 6 * 3600 * 10**9
STATE = "quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999)"
COSTS = (
    f"arrayReduce('{STATE.replace('(', 'State(')}', arrayFlatten(arrayMap((b, c) -> arrayWithConstant("
    f"toUInt64(c - if(b = 0, least(c, unpriced + unknown_usage), 0)), {LOWEST} * pow(1.02, (b - 0.5) / 2)), "
    "cost_bins, cost_bin_counts)))"
)
"""A digest of what calls cost, made of its counts over the ladder. Bin 0 holds what is not known too."""

DIGESTS = {
    Family.CALLS: {"latency_digest": "latency", "ttft_digest": "ttft", "tps_digest": "tps", "cost_bins": COSTS},
    Family.TRACES: {"cost_digest": "cost_state", "latency_digest": "latency_state"},
    Family.SCORES: {},
}
"""By what tells quantiles in a pane its digest in the store."""

TABLES = {Family.CALLS: "panes", Family.TRACES: "trace_panes", Family.SCORES: "score_panes"}
LONGER = {Family.CALLS: "panes_hourly_routes", Family.TRACES: "trace_panes_hourly", Family.SCORES: "score_panes_hourly"}
"""Of hours; no contract speaks of cohorts, so calls need none."""

SOURCES = [(family, tables[family]) for tables in (TABLES, LONGER) for family in Family]
"""Which rows a promise is about is the number of its source, from 1."""

ALARMS = len(SOURCES) + 1
MOST_DIGESTS = max(map(len, DIGESTS.values()))
NO_ENDS = "CAST([], 'Array(Nullable(Float64))')"

LEVELS = ", ".join(map(str, QUANTILES.values()))
EMPTY = f"CAST(base64Decode('AA=='), 'AggregateFunction({STATE}, Float64)')"
NO_DIGEST = f"CAST(base64Decode('AA=='), 'AggregateFunction(quantilesTDigest({LEVELS}), Float64)')"
"""The same of a merged row. As a constant: to aggregate empty ones costs as much as to aggregate."""

PROMISE = ("contract", "rule", "metric", "direction", "bound", "minimum", "severity", "owner", "window_ns")
ROUTE = ("environment", "route")
MATCHED = (*ROUTE, "release", "model")
SPEEDS = "arraySum(tps_bin_counts)"
VALUE = "decodeURLComponent('${promised:percentencode}')"
ASKED = f"CAST({VALUE}, 'Tuple(newest Array(Int64), digests Array(Array(UInt8)), windows Array(Array(Int64)))') AS asked"
"""What `asked` found, at the head of a query."""

VERSION = "concat(evaluator_version, if(scorer = 'evaluate', '', concat(' by ', scorer)))"


def fits(column: str, patterns: str) -> str:
    """One of the patterns is for the name; what the cardinality limit put together is nobody's unless it is named."""
    return f"arrayExists(x -> match({column}, x) AND ({column} != '{OVERFLOW}' OR x = '^(?s:{OVERFLOW})$'), {patterns})"


def of_family(family: Family) -> list[Metric]:
    """The metrics with names of their own."""
    return [one for one in METRICS.values() if one.family is family]


def quoted(names: Iterable[str]) -> str:
    """A list of texts."""
    return ", ".join(f"'{name}'" for name in names)


def series(family: Family) -> list[str]:
    """What patterns of contracts speak of, and an evaluator's name."""
    return [
        *ROUTE,
        "release",
        *([] if family is Family.TRACES else ["model"]),
        *(["evaluator"] if family is Family.SCORES else []),
    ]


def _metrics(family: Family) -> list[Metric]:
    if family is Family.SCORES:
        return [found for name in ("x.mean", "x.fail") if (found := metric(name))]
    return of_family(family)


def _told_by(measure: Measure) -> str:
    return measure.digest or f"{measure.ladder}_bins"


def _columns(family: Family) -> list[str]:
    """What is summed. How many have a speed, the ladder alone tells."""
    found = {name for one in _metrics(family) for name in (one.events, one.of, one.n, *one.unknown) if name}
    return sorted(found) + ([SPEEDS] if family is Family.CALLS else [])


def _made(one: Metric) -> list[int]:
    """How a metric is made: its family, of a quantile the numbers of digest and level, and the places of its parts among the sums
    of a row: events, of, n, and two that are unknown. From 1, 0 for none.
    """
    columns = ["", *_columns(one.family)]
    family = [*Family].index(one.family) + 1
    if one.kind is Kind.QUANTILE and one.measure:
        digest, level = [*DIGESTS[one.family]].index(_told_by(one.measure)), [*QUANTILES.values()].index(one.quantile)
        return [family, digest + 1, level + 1, 0, 0, columns.index(one.n or SPEEDS), 0, 0]
    unknown = [columns.index(name) for name in (*one.unknown, "", "")][:2]
    return [family, 0, 0, columns.index(one.events), columns.index(one.of), columns.index(one.n) if one.n else 0, *unknown]


FAMILY, DIGEST, LEVEL, EVENTS, OF, N, *UNKNOWN = (f"made[{i}]" for i in range(1, 9))
MADE = {name: " ".join(map(str, _made(one))) for name, one in METRICS.items()}
MEAN, FAIL = (" ".join(map(str, _made(one))) for one in _metrics(Family.SCORES))
UNITS = {one.name.partition(".")[0]: one.unit.value for one in METRICS.values()}
"""Whatever is told of a measure is in the same."""


PROMISES = (
    f"SELECT {', '.join(PROMISE)}, {', '.join(f'{name}s' for name in MATCHED)},\n"
    f"  arrayMap(x -> toUInt8(x), splitByChar(' ', transform(metric, [{quoted(MADE)}], [{quoted(MADE.values())}], "
    f"if(endsWith(metric, '.fail'), '{FAIL}', '{MEAN}')))) AS made,\n"
    f"  if(made[1] = {[*Family].index(Family.SCORES) + 1}, replaceRegexpOne(metric, '[.](mean|fail)$', ''), '') AS evaluator,\n"
    f"  {FAMILY} + if(window_ns > {SIX_HOURS_NS}, {len(Family)}, 0) AS source FROM promises"
)


def asked() -> str:
    """What the promises in force ask of the store, as the value of the hidden variable `promised`: of each source the begin of
    its newest window up to the end of the range, whatever is selected, in seconds; of each of its digests whether a promise
    needs it; and the promised windows in seconds below zero, the longest first, and 0. Numbers alone.

    A variable, because two panels ask the same and the server plans with a constant in a third less time than with subqueries.
    """
    newest, digests, windows = [], [], []
    for number, (family, table) in enumerate(SOURCES, 1):
        # If no window begins after the range, the parts of the table tell the newest and nothing is read.
        last = f"(SELECT max(window_start) FROM {table})"
        within = f"(SELECT max(window_start) FROM {table} WHERE window_start <= $__toTime AND {last} > $__toTime)"
        newest.append(f"toUnixTimestamp(if({last} <= $__toTime, {last}, {within}))")
        needed = ", ".join(f"countIf(source = {number} AND {DIGEST} = {place}) > 0" for place, _ in enumerate(DIGESTS[family], 1))
        digests.append(f"[{needed}]::Array(UInt8)")
        windows.append(f"arrayPushBack(arraySort(groupUniqArrayIf(intDiv(-window_ns, 1000000000), source = {number})), 0)")
    said = ",\n  ".join("[\n  " + ",\n  ".join(one) + "]" for one in (newest, digests, windows))
    return f"SELECT toString((\n  {said})) AS value\nFROM (\n{PROMISES}\n)"


def _rows(number: int, family: Family, table: str) -> str:
    """What each series of the table has had, by the shortest of the promised windows that reach back to it, `within`."""
    keys, columns = series(family), _columns(family)
    # These conditions are constants of the query: what nobody asks for is not read.
    needed = {digest: f"asked.digests[{number}][{place}]" for place, digest in enumerate(DIGESTS[family], 1)}
    states = [f"if({needed[digest]}, {state}, {EMPTY})" for digest, state in DIGESTS[family].items()]
    digests = [f"quantilesTDigestMergeState({LEVELS})({one})" for one in states] + [NO_DIGEST] * (MOST_DIGESTS - len(states))
    speeds = f"if({needed.get('tps_digest')}, {SPEEDS}, 0)"
    summed = [f"toInt256({speeds if name == SPEEDS else name})" for name in columns]
    names = [name if name in keys else f"'' AS {name}" for name in (*MATCHED, "evaluator")]
    versions = f"groupUniqArray({VERSION})" if family is Family.SCORES else "emptyArrayString()"
    newest, windows = f"asked.newest[{number}]", f"asked.windows[{number}]"
    return (
        f"SELECT {number} AS source, {', '.join(names)},\n"
        # The shortest window that is longer than the row is old.
        f"  -roundDown(toInt64(window_start) - {newest} - 1, {windows}) AS within,\n"
        f"  sumForEach([{', '.join(summed)}]) AS sums,\n"
        f"  [{', '.join(digests)}] AS digests, {versions} AS versions,\n"
        f"  {NO_ENDS} AS ends\nFROM {table} FINAL\n"
        f"PREWHERE window_start > toDateTime(greatest({newest} + {windows}[1], 0)) AND window_start <= toDateTime({newest})\n"
        f"WHERE {OF_ROUTE}\nGROUP BY {', '.join(keys)}, within"
    )


def _known() -> str:
    """Routes that had calls within the range, as rows of source 0."""
    return (
        "SELECT 0 AS source, environment, route, '' AS release, '' AS model, '' AS evaluator, 0 AS within, "
        f"CAST([], 'Array(Int256)') AS sums,\n  [{NO_DIGEST}] AS digests, "
        f"emptyArrayString() AS versions, {NO_ENDS} AS ends\n"
        f"FROM {SEEN} WHERE $__timeFilter(window_start)\n  AND {OF_ROUTE}\nGROUP BY environment, route"
    )


def _alarms() -> str:
    """What fires of a contract's rule, which stand where others have release and model, as rows of the last source."""
    return (
        f"SELECT {ALARMS} AS source, environment, route, contract AS release, rule AS model, '' AS evaluator, 0 AS within,\n"
        "  arrayMap(x -> toInt256(x), [countIf(tier = 'established'), count(), countIf(notEmpty(slice))]) AS sums,\n"
        f"  [{NO_DIGEST}] AS digests, emptyArrayString() AS versions,\n"
        "  [anyIf(low, empty(slice)), anyIf(high, empty(slice))] AS ends\n"
        "FROM latest_alerts WHERE state = 'firing' AND kind = 'objective'\n"
        "GROUP BY environment, route, contract, rule"
    )


def _estimated(*also: str) -> str:
    """Rows (promise, environment, route, n, value, status, versions, alarms): of each promise and route that it is about."""
    rows = "\nUNION ALL\n".join((_known(), _alarms(), *(_rows(number, *of) for number, of in enumerate(SOURCES, 1))))
    of_series = " AND ".join(fits(f"r.{name}", f"o.{name}s") for name in MATCHED if name not in ROUTE)
    whole = f"toFloat64(s[{OF}] - s[{UNKNOWN[0]}] - s[{UNKNOWN[1]}])"
    events = f"toFloat64(s[{EVENTS}]) / if(evaluator != '' AND {EVENTS} = {_made(_metrics(Family.SCORES)[0])[3]}, 1e6, 1)"
    value = (
        f"multiIf({DIGEST} > 0, if(isFinite(q[{LEVEL}]), q[{LEVEL}], NULL), {EVENTS} = 0, NULL, "
        f"{OF} = 0, {events}, {events} / nullIf({whole}, 0))"
    )
    return (
        f"SELECT {', '.join((*PROMISE, *ROUTE))}, toInt64(s[{N}]) AS n, {value} AS value,\n"
        "  arrayStringConcat(arraySort(versions), ', ') AS versions, firing[1] AS established, firing[2] AS alarms,\n"
        f"  firing[3] AS slices, ends[1] AS low, ends[2] AS high, {', '.join((f'{STATUS} AS status', *also))}\nFROM (\n"
        f"SELECT {', '.join(f'o.{name} AS {name}' for name in (*PROMISE, 'evaluator', 'made'))}, r.environment AS environment, "
        f"r.route AS route,\n  sumForEachIf(r.sums, r.source < {ALARMS}) AS s, anyIf(r.sums, r.source = {ALARMS}) AS firing,\n"
        f"  anyIf(r.ends, r.source = {ALARMS}) AS ends, groupUniqArrayArray(r.versions) AS versions,\n"
        f"  quantilesTDigestMergeIf({LEVELS})(r.digests[greatest(o.{DIGEST}, 1)], r.source = o.source) AS q\n"
        f"FROM (\n{PROMISES}\n) AS o CROSS JOIN (\n{rows}\n) AS r\n"
        f"WHERE {' AND '.join(fits(f'r.{name}', f'o.{name}s') for name in ROUTE)}\n"
        f"  AND multiIf(r.source = 0, true, r.source = {ALARMS}, r.release = o.contract AND r.model = o.rule,\n"
        f"    r.source = o.source AND r.within BETWEEN 1 AND intDiv(o.window_ns, 1000000000)\n"
        f"    AND r.evaluator = o.evaluator AND {of_series})\n"
        f"GROUP BY {', '.join((*PROMISE, 'evaluator', 'made', *ROUTE))} HAVING countIf(r.source = 0) > 0)"
    )


PLANNED = "\nSETTINGS optimize_and_compare_chain = 0"
"""What this finds, these have not, and it takes a sixth of the plan."""

BEYOND = "if(direction = 'at_most', value > bound, value < bound)"
STATUS = (
    f"multiIf(established > 0, 'broken', alarms > 0 OR (n >= minimum AND ifNull({BEYOND}, false)), 'crossed', "
    "n < minimum OR value IS NULL, 'no data', 'kept')"
)
RANK = "indexOf(['broken', 'crossed', 'no data', 'kept'], Status)"
UNIT = (
    f"transform(splitByChar('.', metric)[1], [{quoted(UNITS)}], [{quoted(UNITS.values())}], "
    "if(endsWith(metric, '.fail'), 'share', 'score'))"
)


def objectives() -> Query:
    """A row for each objective and route it is about, the worst first."""
    columns = (
        "status AS Status",
        *map(named, ROUTE),
        f"{plain('rule')} AS Objective",
        "concat(if(direction = 'at_most', '≤ ', '≥ '), said[1]) AS Target",
        "said[2] AS Estimate",
        "n AS n",
        "said[3] AS Low",
        "said[4] AS High",
        "slices AS Slices",
        "window_ns AS Window",
        "severity AS Severity",
        "minimum AS Minimum",
        f"{plain('owner')} AS Owner",
        f"{plain('contract')} AS Contract",
        f"{plain('versions')} AS Versions",
    )
    said = f"arrayMap(v -> {amount('v')}, [bound, value, low, high]) AS said"
    return Query(
        f"WITH {ASKED}\nSELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM (\n{_estimated(f'{UNIT} AS unit', said)}\n)\n"
        + f"ORDER BY {RANK}, Environment, Route, Contract, Objective\nLIMIT 500{PLANNED}",
        table=True,
    )


def counted() -> Query:
    """One row: how many objectives stand how."""
    counts = ", ".join(f"countIf(status = '{name}') AS \"{name}\"" for name in ("kept", "crossed", "broken", "no data"))
    return Query(f"WITH {ASKED}\nSELECT {counts} FROM (\n{_estimated()}\n){PLANNED}", table=True)
