"""The board *Releases*: two releases side by side on every axis, with what watch told of them.

Release against release over the same routes and cohorts: calls, whole traces, what answers show, scores, and alerts of kind
regression as
evidence. A difference alone is noise until its sample is large; an alert has a stated rate of error.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.alerts import COLUMNS, told
from grafana.comparison import BOTH_RELEASES, SIDES, compared, comparison
from grafana.estimates import ANY_RELEASE, FAILS, MEAN, MEAN_INTERVAL, OF, summed
from grafana.evidence import COMPARED
from grafana.measures import CALLING, CITED, COST, REFUSED, SCHEMA_KEPT, TRACES, WORSE_LIMITS
from grafana.panels import SCORE, SHARE, Panel, cells, chart, coloured, narrowing, properties, sample
from grafana.sql import IN_ANY_ORDER, SERIES, TRACE_ROWS, TRACE_SERIES, Query, chosen, over_time, quantile, ratio, rows, where
from grafana.variables import assemble, component, of_scores, scores, side, view

UID = "tailrace-releases"
BOTH_OF_TRACES = f"{where(*(column for column in TRACE_SERIES if column != 'release'))}\n  AND ({' OR '.join(SIDES.values())})"
BOTH_OF_SCORES = f"{ANY_RELEASE}\n  AND ({' OR '.join(SIDES.values())})"


def _sided(part: str, whole: str) -> dict[str, str]:
    """A ratio of each release."""
    return {
        s: ratio(
            part.replace("sum(", "sumIf(").replace(")", f", {rule})"), whole.replace("sum(", "sumIf(").replace(")", f", {rule})")
        )
        for s, rule in SIDES.items()
    }


def _behaviour() -> Panel:
    shares = {"refusals": REFUSED, "citations": CITED, "schema kept": SCHEMA_KEPT}
    return cells(
        "What answers show",
        "Shares of the answers of which each can be told, of both releases; Δ in points. n: calls of each.",
        rows(
            *(f'sumIf(requests, {rule}) AS "n {s}"' for s, rule in SIDES.items()),
            *(column for name, of in shares.items() for column in compared(name, _sided(*of), "absolute")),
            by=("route", "cohort"),
            having=" AND ".join(f"sumIf(requests, {rule}) > 0" for rule in SIDES.values()),
            order='"Δ refusals" DESC NULLS LAST',
            selected=BOTH_RELEASES,
        ),
        "percentunit",
        8,
        "Δ refusals",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("route", "cohort")},
            **{f"n {s}": sample(100) for s in SIDES},
            **{f"{column} {s}": properties(SHARE) for column in shares for s in SIDES},
            **{f"Δ {column}": properties(SHARE) for column in shares},
        },
    )


def _traces() -> tuple[Panel, ...]:
    def of(value: str) -> dict[str, str]:
        return {s: value.replace("SIDE", rule) for s, rule in SIDES.items()}

    calling = "sumIf(traces_with_calls, SIDE)"
    return (
        chart(
            "Cost per trace of the two releases",
            "Mean US dollars of a trace that calls a model.",
            over_time(f"{ratio(COST, CALLING)} AS cost", by="release", selected=BOTH_OF_TRACES, view=TRACE_ROWS, size=TRACES),
            "currencyUSD",
            12,
            "Release",
        ),
        chart(
            "p95 trace latency of the two releases",
            "How long one trace in twenty takes, or longer.",
            over_time(f"{quantile(0.95)} AS latency", by="release", selected=BOTH_OF_TRACES, view=TRACE_ROWS, size=TRACES),
            "ns",
            12,
            "Release",
        ),
        cells(
            "Whole traces",
            "What a trace costs, asks and takes, of both releases, the largest rise of cost first; Δ is relative, of "
            "failures in points.",
            rows(
                *(f'sumIf(traces, {rule}) AS "n {s}"' for s, rule in SIDES.items()),
                *compared("cost", of(ratio("sumIf(cost_nusd, SIDE) / 1e9", calling)), "relative"),
                *compared("calls", of(ratio("sumIf(calls, SIDE)", calling)), "relative"),
                *compared("p95", {s: quantile(0.95, only=rule) for s, rule in SIDES.items()}, "relative"),
                *compared("failed", of(ratio("sumIf(failed, SIDE)", "sumIf(traces, SIDE)")), "absolute"),
                by=("route", "cohort"),
                having=" AND ".join(f"sumIf(traces, {rule}) > 0" for rule in SIDES.values()),
                order='"Δ cost" DESC NULLS LAST',
                selected=BOTH_OF_TRACES,
                view=TRACE_ROWS,
            ),
            "currencyUSD",
            8,
            "Δ cost",
            {
                **{column.capitalize(): narrowing(UID, column) for column in ("route", "cohort")},
                **{f"n {s}": sample(30) for s in SIDES},
                **{f"calls {s}": properties({"unit": "short"}) for s in SIDES},
                **{f"p95 {s}": properties({"unit": "ns"}) for s in SIDES},
                **{f"failed {s}": properties(SHARE) for s in SIDES},
                **{f"Δ {name}": coloured("percentunit", *WORSE_LIMITS) for name in ("cost", "calls", "p95", "failed")},
            },
        ),
    )


def _scores() -> Panel:
    own = f"if(release = {chosen('baseline')}, 'baseline', 'candidate') AS Side"
    columns = {
        "n": "ok",
        "mean": MEAN,
        "low": f"{MEAN_INTERVAL}.1",
        "high": f"{MEAN_INTERVAL}.2",
        "fails": FAILS,
    }
    inner = ", ".join(f"{value} AS {name}" for name, value in columns.items())
    sides = ", ".join(f"anyIf({name}, Side = '{s}') AS \"{name} {s}\"" for s in SIDES for name in columns)
    return cells(
        "Scores",
        "Means of both releases with their 95 % intervals, the largest loss first. A difference is noise while the "
        "intervals overlap.",
        Query(
            f'SELECT Route, Cohort, Evaluator, Version, "mean candidate" - "mean baseline" AS "Δ mean",\n  {sides}\n'
            f"FROM (SELECT Route, Cohort, Evaluator, Version, Scorer, Side, {inner} FROM (\n"
            f"{summed((own, 'route', 'cohort', *OF), BOTH_OF_SCORES)}\n) WHERE ok > 0)\n"
            "GROUP BY Route, Cohort, Evaluator, Version, Scorer\nHAVING uniqExact(Side) = 2\n"
            f'ORDER BY "Δ mean", Route, Cohort, Evaluator, Version\nLIMIT 500{IN_ANY_ORDER}',
            table=True,
        ),
        "none",
        9,
        "Δ mean",
        {
            **{column.capitalize(): narrowing(UID, column) for column in ("route", "cohort", "evaluator")},
            **{f"n {s}": sample(30) for s in SIDES},
            **{f"fails {s}": properties(SHARE) for s in SIDES},
            **{f"{name} {s}": SCORE for name in ("mean", "low", "high") for s in SIDES},
            "Δ mean": SCORE,
        },
        rising=True,
    )


REGRESSIONS: tuple[Panel, ...] = (
    COMPARED,
    cells(
        "Evidence",
        "What watch told of regressions within the range, newest first: a metric is more worse than before than its "
        "contract allows, with evidence at the stated rate of error. Before is the release before or, where the contract "
        "compares with these, the same hours of earlier days; the words are the alert's own and say which.",
        told("kind = 'regression'"),
        "short",
        9,
        "",
        COLUMNS,
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Releases",
        "Two releases side by side on every axis, with the evidence that one is worse.",
        [
            view(),
            scores(),
            *(component(column) for column in SERIES if column != "release"),
            *map(side, SIDES),
            of_scores("evaluator"),
        ],
        {
            "Evidence": REGRESSIONS,
            "Calls": comparison(UID),
            "Whole traces": _traces(),
            "What answers show": (_behaviour(),),
            "Scores": (_scores(),),
        },
    )
