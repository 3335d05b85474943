"""What a report reads of the views: sums and merged digests over the range, by time, cohort and release."""

# ruff: noqa: S608 - names of views are ours; what was asked for is bound by the engine

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pipeline.connectors.clickhouse import query
from pipeline.model.metrics import Unit
from pipeline.operators.alerts.wording import named
from pipeline.operators.estimates import interval
from pipeline.operators.report.cells import LEVELS, between, count, quantile, ratio, usd
from pipeline.operators.report.content import Grid, Line, Plot, Section
from pipeline.settings import Settings

DAY = 86_400
POINTS = 120
"""Of a line at most, about."""

MOST_ROWS = 20
MOST_SCORES = 200
ASKED = ", ".join(map(str, LEVELS))
"""The levels at which digests are asked, as a statement names them."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose numbers, and when: [from_s, to_s) in Unix seconds."""

    settings: Settings
    environment: str
    route: str
    from_s: int
    to_s: int

    @property
    def view(self) -> str:
        """What is added to names of views: minutes for half a day, hours for 80, days beyond."""
        length = self.to_s - self.from_s
        return "" if length <= DAY // 2 else "_hourly" if length <= 80 * DAY else "_daily"

    @property
    def step(self) -> int:
        """Seconds of one point of a line: whole windows."""
        least = {"": 60, "_hourly": 3600, "_daily": DAY}[self.view]
        return max(least, -(-(self.to_s - self.from_s) // POINTS // least) * least)

    def rows(self, sql: str, **more: Any) -> list[list[Any]]:
        """What the engine says; `where` in the text stands for this scope."""
        where = (
            "environment = {environment:String} AND route = {route:String} "
            "AND window_start >= toDateTime({from_s:Int64}, 'UTC') AND window_start < toDateTime({to_s:Int64}, 'UTC')"
        )
        bound = {"environment": self.environment, "route": self.route, "from_s": self.from_s, "to_s": self.to_s}
        return query(self.settings, sql.replace("$where", where), parameters=bound | more)[1]


def totals(scope: Scope) -> dict[str, Any]:
    """Sums of the whole range, by name."""
    names = ("requests", "errors", "cost_nusd", "unpriced", "unknown_usage", "refusals", "refusal_checked")
    [row] = scope.rows(f"SELECT {', '.join(f'sum({n})' for n in names)}, min(final) FROM performance{scope.view} WHERE $where")
    return dict(zip((*names, "final"), row, strict=True))


def trends(scope: Scope) -> Section:
    """How the route did over time."""
    rows = scope.rows(
        f"""SELECT intDiv(toUnixTimestamp(window_start), {scope.step}) * {scope.step} AS at, sum(requests), sum(errors),
            arrayMap(x -> toFloat64(x), quantilesTDigestMerge(0.5, 0.95, 0.99)(latency_digest)),
            arrayMap(x -> toFloat64(x), quantilesTDigestMerge(0.95)(ttft_digest)), sum(cost_nusd)
            FROM performance{scope.view} WHERE $where GROUP BY at ORDER BY at"""
    )
    at = [int(row[0]) for row in rows]

    def line(value: Callable[[list[Any]], float | None]) -> Line:
        return _whole_line(scope, at, [value(row) for row in rows])

    latency = {
        name: line(lambda row, i=i, q=q: _known(row[3][i]) if row[1] * (1 - q) >= 1 else None)  # type: ignore[misc]
        for i, (name, q) in enumerate((("p50", 0.5), ("p95", 0.95), ("p99", 0.99)))
    }
    errors = _with_interval(scope, at, [(row[2], row[1]) for row in rows])
    per = {60: "a minute", 3600: "an hour", DAY: "a day"}.get(scope.step, f"{scope.step // 60} min")
    return Section(
        "Trends",
        f"One point is {per}. Where nothing is drawn nothing was served, or too little for that quantile.",
        [
            Plot("Latency", "Quantiles of calls, of merged digests.", Unit.NS, latency),
            Plot(
                "Time to first token",
                "p95 of streamed calls.",
                Unit.NS,
                {"p95": line(lambda row: _known(row[4][0]))},
            ),
            Plot("Errors", "Share of calls, with its 95 % interval.", Unit.SHARE, {"errors": errors}),
            Plot("Calls", "Model calls in each point.", "", {"calls": line(lambda row: float(row[1]))}),
            Plot("Cost", "US dollars in each point, of calls with a price.", Unit.NUSD, {"cost": line(lambda r: float(r[5]))}),
            *_quality_lines(scope),
        ],
    )


def _quality_lines(scope: Scope) -> list[Plot]:
    """A plot for each evaluator: means of a day or of the point, with intervals."""
    step = max(scope.step, (scope.to_s - scope.from_s) // 24 // 60 * 60 or 60)
    rows = scope.rows(
        f"""SELECT evaluator, intDiv(toUnixTimestamp(window_start), {step}) * {step} AS at,
            toFloat64(sum(weight)), toFloat64(sum(weight_sq)), toFloat64(sum(value_sum)) / 1e6,
            toFloat64(sum(value_weight_sq)) / 1e12
            FROM score_sums{scope.view} WHERE $where AND scorer = 'evaluate' GROUP BY evaluator, at ORDER BY evaluator, at"""
    )
    found: dict[str, list[list[Any]]] = {}
    for name, *row in rows:
        if row[1]:
            found.setdefault(name, []).append(row)
    plots = []
    for name, points in list(found.items())[:6]:
        means = [value / weight for _, weight, _, value, _ in points]
        told = [
            interval(m, weight**2 / squares, max(0.0, second / squares - m * m))
            for m, (_, weight, squares, _, second) in zip(means, points, strict=True)
        ]
        line = Line([int(p[0]) for p in points], means, [t.low for t in told], [t.high for t in told])
        plots.append(
            Plot(named(name), "Mean of judged traces, weighted, with its 95 % interval; 1 is best.", Unit.SCORE, {name: line})
        )
    return plots


def _known(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else value


def _whole_line(scope: Scope, at: Sequence[int], values: Sequence[float | None]) -> Line:
    """With the points in between that have nothing, so that no line runs over a gap."""
    known = dict(zip(at, values, strict=True))
    steps = range(scope.from_s // scope.step * scope.step, scope.to_s, scope.step)
    return Line(list(steps), [known.get(s) for s in steps])


def _with_interval(scope: Scope, at: Sequence[int], counts: Sequence[tuple[float, float]]) -> Line:
    line = _whole_line(scope, at, [part / whole if whole else None for part, whole in counts])
    known = dict(zip(at, counts, strict=True))
    ends: list[tuple[float | None, float | None]] = []
    for s, m in zip(line.at_s, line.values, strict=True):
        told = None if m is None else interval(m, known[s][1], m * (1 - m))
        ends.append((told.low, told.high) if told else (None, None))
    return Line(line.at_s, line.values, [low for low, _ in ends], [high for _, high in ends])


CALLS = ("n", "p50", "p95", "p99", "TTFT p95", "errors", "refusals", "a call")


def _of_calls(scope: Scope, by: Sequence[str], order: str) -> list[tuple[list[str], list[str], float]]:
    """By the columns `by`: their names, cells as CALLS says, and how many calls."""
    rows = scope.rows(
        f"""SELECT {", ".join(by)}, sum(requests) AS n, sum(errors), sum(refusals), sum(refusal_checked), sum(streamed),
            sum(cost_nusd), n - sum(unpriced),
            arrayMap(x -> toFloat64(x), quantilesTDigestMerge({ASKED})(latency_digest)),
            arrayMap(x -> toFloat64(x), quantilesTDigestMerge({ASKED})(ttft_digest))
            FROM performance{scope.view} WHERE $where GROUP BY {", ".join(by)} ORDER BY {order} LIMIT {MOST_ROWS}"""
    )
    found = []
    for row in rows:
        n, errors, refusals, checked, streamed, cost, priced, latency, ttft = row[len(by) :]
        cells = [
            count(n),
            *(quantile(latency, q, n, Unit.NS) for q in (0.5, 0.95, 0.99)),
            quantile(ttft, 0.95, streamed, Unit.NS),
            ratio(errors, n),
            ratio(refusals, checked),
            usd(cost / priced if priced else None),
        ]
        found.append(([named(name) for name in row[: len(by)]], cells, float(n)))
    return found


def cohorts(scope: Scope) -> Section:
    """Who is served worse."""
    order = "toFloat64(quantilesTDigestMerge(0.95)(latency_digest)[1]) DESC NULLS LAST"
    names = ("cohort", "language")
    rows = _of_calls(scope, names, order)
    return Section(
        "Cohorts",
        "The slowest first, each with its 95 % intervals; those of few calls are wide, and prove nothing.",
        grids=[
            Grid("", (*names, *CALLS), [[*keys, *cells] for keys, cells, _ in rows], numbers=frozenset(CALLS)),
            _quality(scope),
        ],
    )


def _quality(scope: Scope) -> Grid:
    """How good answers are, worst first; of several versions of an evaluator each by itself."""
    view = f"quality_between{scope.view}"
    rows = scope.rows(
        f"""SELECT evaluator, evaluator_version, release, cohort, ok, effective_n, value_mean, value_low, value_high,
            fail_ratio, fail_low, fail_high
            FROM {view}(since = toDateTime({{from_s:Int64}}, 'UTC'), until = toDateTime({{to_s:Int64}}, 'UTC'))
            WHERE environment = {{environment:String}} AND route = {{route:String}} AND ok > 0
            ORDER BY evaluator, value_mean, release, cohort LIMIT {MOST_SCORES}"""
    )
    cells = [
        [*map(named, keys), count(ok), count(n), between(m, low, high, Unit.SCORE), between(fails, f_low, f_high, Unit.SHARE)]
        for *keys, ok, n, m, low, high, fails, f_low, f_high in rows
    ]
    names = ("evaluator", "version", "release", "cohort", "judged", "effective n", "mean", "fails")
    return Grid("Quality, worst first", names, cells, numbers=frozenset(names[4:]), nothing="no answer was judged in this range.")


def cost(scope: Scope) -> Section:
    """What it costs, and whose fault that is."""
    days = (scope.to_s - scope.from_s) / DAY
    [traces] = scope.rows(
        f"""SELECT sum(traces_with_calls), sum(calls), sum(cost_nusd), sum(unpriced_traces),
            arrayMap(x -> toFloat64(x), quantilesTDigestMerge({ASKED})(cost_digest))
            FROM trace_performance{scope.view} WHERE $where"""
    )
    n, calls, spent, unknown, quantiles = traces
    per_trace = [
        count(n or 0),
        "–" if not n else f"{calls / n:.3g}",
        usd(spent / n) if n else "–",
        quantile(quantiles, 0.5, n or 0, Unit.NUSD),
        quantile(quantiles, 0.95, n or 0, Unit.NUSD),
        ratio(unknown or 0, n or 0),
    ]
    grids = [
        Grid("Whole traces", ("traces", "calls each", "mean", "p50", "p95", "cost not wholly known"), [per_trace] if n else [])
    ]
    for by in ("model", "cohort"):
        rows = scope.rows(
            f"""SELECT {by}, sum(requests), sum(cost_nusd) AS nusd, sum(input_tokens), sum(output_tokens), sum(unpriced),
                sum(unknown_usage) FROM performance{scope.view} WHERE $where GROUP BY {by} ORDER BY nusd DESC LIMIT {MOST_ROWS}"""
        )
        whole = sum(row[2] for row in rows) or 1
        cells = [
            [
                named(key),
                count(calls),
                usd(nusd),
                f"{nusd / whole:.0%}",
                usd(nusd / days * 30),
                count(tokens_in),
                count(tokens_out),
                count(unpriced),
                count(unknown_usage),
            ]
            for key, calls, nusd, tokens_in, tokens_out, unpriced, unknown_usage in rows
        ]
        names = (by, "calls", "cost", "share", "in 30 days", "tokens in", "tokens out", "no price", "no usage")
        grids.append(Grid(f"By {by}", names, cells, numbers=frozenset(names[1:])))
    return Section("Cost", f"US dollars of calls with a known price; 30 days at the rate of these {days:,.3g}.", grids=grids)


def releases(scope: Scope) -> Section:
    """Releases beside each other, the newest first."""
    first = "formatDateTime(min(window_start), '%Y-%m-%d %H:%i')"
    seen = dict(scope.rows(f"SELECT release, {first} FROM performance{scope.view} WHERE $where GROUP BY release"))
    rows = _of_calls(scope, ("release",), "min(window_start) DESC, release")
    names = ("release", "first seen", *CALLS)
    cells = [[key, seen.get(key, "–"), *numbers] for (key,), numbers, _ in rows]
    return Section(
        "Releases",
        "All calls of each, newest first. Whether one is worse is said under Promises, at equal hours of day; a table cannot.",
        grids=[Grid("", names, cells, numbers=frozenset(CALLS))],
    )


def headline(told: Mapping[str, Any]) -> str:
    """The first line: how much, how good."""
    return (
        f"{count(told['requests'])} calls; errors {ratio(told['errors'], told['requests'])}; {usd(told['cost_nusd'])}"
        f"; refusals {ratio(told['refusals'], told['refusal_checked'])}"
    )
