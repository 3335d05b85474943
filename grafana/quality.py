"""The board *Quality by cohort*: what evaluators say of sampled traces, with how sure one can be of it.

Means are over all traces that might have been judged, weighted by how probable each was. A score counts in the window in
which it became
known, which may be hours after its trace. Versions of an evaluator stand apart: another version is another measure.
"""

from dataclasses import replace

from grafana_foundation_sdk.models.dashboard import Dashboard, DynamicConfigValue

from grafana.estimates import FAILS, FAILS_INTERVAL, MEAN, MEAN_INTERVAL, OF, SELECTED, STATUSES, mean_over_time, summed
from grafana.panels import (
    MOMENT,
    PLAIN,
    SCORE,
    SHARE,
    WIDE,
    Panel,
    cells,
    chart,
    coloured,
    limits,
    narrowing,
    numbers,
    properties,
    sample,
)
from grafana.sql import IN_ANY_ORDER, SCORE_ROWS, SERIES, Query, named, rate, ratio, total
from grafana.variables import assemble, component, of_scores, scores, view

UID = "tailrace-quality"
ENOUGH = 30
"""Scores below which a mean is marked."""


def _total(*values: str) -> Query:
    found = total(*values, selected=SELECTED, view=SCORE_ROWS)
    return replace(found, sql=found.sql + IN_ANY_ORDER)


NO_VALUE = tuple(status for status in STATUSES if status != "ok")
FAIL_LIMITS = (0.05, 0.15)


def _estimates(keys: tuple[str, ...], order: str, against: bool = False) -> Query:
    names = [key.rpartition(" AS ")[2].capitalize() for key in keys]
    everybody = "PARTITION BY Evaluator, Version, Scorer"
    above = (
        f"{MEAN} - sum(toFloat64(value_sum)) OVER ({everybody}) / 1e6 / nullIf(sum(toFloat64(weight)) OVER ({everybody}), 0) "
        'AS "Δ mean",\n  '
        if against
        else ""
    )
    shown = ", ".join((*names, "Evaluator", "Version", "Scorer"))
    return Query(
        f"SELECT {shown},\n  ok AS n, {MEAN} AS Mean, {MEAN_INTERVAL}.1 AS Low, {MEAN_INTERVAL}.2 AS High,\n  {above}"
        f'checked AS "n checked", {FAILS} AS Fails, {FAILS_INTERVAL}.1 AS "Fails low", {FAILS_INTERVAL}.2 AS "Fails high"\n'
        f"FROM (\n{summed((*keys, *OF))}\n)\nWHERE scores > 0\nORDER BY {order}, {shown}\nLIMIT 500{IN_ANY_ORDER}",
        table=True,
    )


COLUMNS = {
    **dict.fromkeys(("Mean", "Low", "High"), SCORE),
    **{name: sample(ENOUGH) for name in ("n", "n checked")},
    "Fails": coloured("percentunit", *FAIL_LIMITS),
    **{name: properties(SHARE) for name in ("Fails low", "Fails high")},
}


def _names(*narrow: str) -> dict[str, list[DynamicConfigValue]]:
    """Names that narrow the board."""
    return {name.capitalize(): narrowing(UID, name) for name in (*narrow, "evaluator")}


VECTOR: tuple[Panel, ...] = (
    numbers(
        "Scores",
        "Scores that became known in the range, those of them with a value, and those of windows that may still change.",
        _total("sum(scores) AS Scores", 'sum(ok) AS "With a value"', "sum(open_scores) AS Open"),
        "short",
        8,
    ),
    numbers(
        "Without a value",
        "Shares of the scores by why they say nothing: the evaluator failed, had nothing to judge (skipped, as "
        "evaluators do where they do not apply), or there was no money for its judge.",
        _total(*(f'{ratio(f"sum({status})", "sum(scores)")} AS "{status.replace("_", " ")}"' for status in NO_VALUE)),
        "percentunit",
        12,
        limits(0.05, 0.3),
    ).override_by_name("skipped", properties({"thresholds": PLAIN.build().to_json()})),
    numbers(
        "Judges",
        "US dollars that judges cost, as far as their price is known.",
        _total("sum(judge_cost_nusd) / 1e9 AS Cost"),
        "currencyUSD",
        4,
    ),
    cells(
        "Evaluators",
        "The mean of each evaluator over all that is selected, with its 95 % interval, and the share of traces that do not pass. "
        "n: scores with a value; from 0 to 1, 1 is best.",
        _estimates((), "Evaluator"),
        "none",
        7,
        "",
        COLUMNS | _names(),
    ),
)

CHANGES = Query(
    f"SELECT {', '.join((named('evaluator'), OF[1], named('scorer')))},\n  min(window_start) AS First, max(window_end) AS Last, "
    f"sum(ok) AS n\nFROM {SCORE_ROWS}\nWHERE {SELECTED}\nGROUP BY Evaluator, Version, Scorer\n"
    f"ORDER BY Evaluator, First, Version{IN_ANY_ORDER}",
    table=True,
)

OVER_TIME: tuple[Panel, ...] = (
    chart(
        "Mean by evaluator and version",
        "A line ends where an evaluator got another version, and another one begins: the two are not the same measure.",
        mean_over_time(),
        "none",
        12,
        "Line",
        interval="5m",
    ),
    chart(
        "Mean by evaluator and cohort",
        "Of the cohorts with most scores. Points of few scores jump: the intervals stand in the tables.",
        mean_over_time("cohort"),
        "none",
        12,
        "Line",
        interval="5m",
    ),
    chart(
        "Scores by status",
        "Scores per second by what became of them, stacked.",
        Query(
            "SELECT\n  $__timeInterval(window_start) AS time,\n  "
            + ",\n  ".join(f'{rate(f"sum({status})")} AS "{status.replace("_", " ")}"' for status in STATUSES)
            + f"\nFROM {SCORE_ROWS}\nWHERE {SELECTED}\nGROUP BY time\nORDER BY time{IN_ANY_ORDER}"
        ),
        "count:scores/s",
        10,
        stacked=True,
    ),
    cells(
        "Versions of evaluators",
        "Which version scored from when to when within the range: where one begins, its means cannot be compared with "
        "those before.",
        CHANGES,
        "short",
        9,
        "",
        {"Evaluator": WIDE, "First": MOMENT, "Last": MOMENT, "n": COLUMNS["n"]},
        14,
    ),
)

COHORTS: tuple[Panel, ...] = (
    cells(
        "Worst cohorts",
        "Each cohort of each route against everybody who is selected, the furthest below first: Δ is its mean less "
        "that of all. It is "
        "noise as long as the interval of the cohort holds the mean of all. Click a name to narrow the board to it.",
        _estimates(("route", "cohort"), '"Δ mean" ASC NULLS LAST', against=True),
        "none",
        12,
        "",
        COLUMNS | _names("route", "cohort") | {"Δ mean": SCORE},
    ),
    cells(
        "Route × release × language",
        "The same means by release and language, the worst first.",
        _estimates(("route", "release", "language"), "Mean ASC NULLS LAST"),
        "none",
        10,
        "",
        COLUMNS | _names("route", "release", "language"),
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Quality by cohort",
        "What evaluators say of sampled traces: means with intervals, fails, the worst cohorts, and what became no score.",
        [view(), scores(), *map(component, SERIES), of_scores("evaluator")],
        {"The whole range": VECTOR, "Over time": OVER_TIME, "Cohorts": COHORTS},
    )
