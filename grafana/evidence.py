"""What contracts compare of two releases, and how much evidence watch has told of each: the table *What contracts compare*.

A row stands for every metric that a contract in force compares with the release before, on every route that both releases have
served within the range. Evidence is stored where watch told of it: the odds are those of the slice with most, in its newest
alert. Where it told nothing there is no alarm, and the evidence so far is nowhere but in watch: `tailrace check --release` holds
what is stored against the contract once more and says it.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana.alerts import SLICE, amount, plain
from grafana.panels import BAD, SHORT_MOMENT, WARN, Panel, cells, properties, sample, within, words
from grafana.promised import OF_ROUTE, ROUTE, fits
from grafana.sql import SEEN, Query, chosen, named
from pipeline.operators.alerts.wording import MOST_ODDS

STATES = {"worse": BAD, "was worse": WARN, "no alarm": "text"}
STATE = "multiIf(firing > 0, 'worse', alarms > 0, 'was worse', 'no alarm')"
PATTERNS = {"environments": "environment", "routes": "route", "releases": "release"}

LIMITS = (
    "SELECT name AS contract, owner, one.1 AS metric, JSONExtractFloat(one.2, 'worse') AS worse, "
    "JSONExtractBool(one.2, 'is_points') AS in_points,\n  "
    + ", ".join(f"JSONExtract(meaning, 'matches', '{of}', 'Array(String)') AS {name}" for name, of in PATTERNS.items())
    + "\nFROM (SELECT name, owner, meaning, arrayJoin(JSONExtractKeysAndValuesRaw(meaning, 'regression', 'limits')) AS one\n"
    "FROM contracts_in_force WHERE JSONExtractString(meaning, 'regression', 'baseline') = 'previous_release')"
)
BOTH = (
    f"SELECT environment, route FROM {SEEN}\nWHERE $__timeFilter(window_start)\n  AND {OF_ROUTE}\n"
    f"  AND release IN ({chosen('baseline')}, {chosen('candidate')})\nGROUP BY environment, route HAVING uniqExact(release) = 2"
)
MOST = ("n", "unit", "estimate", "baseline_n", "baseline_estimate", "log_e_value", "needed", "slice")
"""Of the slice with most evidence."""

TOLD = (
    "SELECT contract, environment, route, metric, countIf(state = 'firing') AS firing, count() AS alarms, max(at) AS last, "
    f"argMax(tuple({', '.join(f'l.{name}' for name in MOST)}), ifNull(l.log_e_value, 0)) AS strongest, "
    + ", ".join(f"strongest.{i} AS {name}" for i, name in enumerate(MOST, 1))
    + f"\nFROM latest_alerts AS l\nWHERE kind = 'regression' AND first_seen <= $__toTime AND release = {chosen('candidate')} "
    f"AND previous_release = {chosen('baseline')}\n  AND {OF_ROUTE}\nGROUP BY contract, environment, route, metric"
)


def odds(log_e: str) -> str:
    """A natural logarithm as odds in words; null where there is none."""
    said = f"if({log_e} < log({MOST_ODDS}), concat(toString(round(exp({log_e}))), ' : 1'), '> {MOST_ODDS:,} : 1')"
    return f"if({log_e} IS NULL, NULL, {said})"


def compared() -> Query:
    """A row for each contract, route and metric, those that are worse first."""
    columns = (
        f"{STATE} AS State",
        *map(named, ROUTE),
        "metric AS Metric",
        "concat(toString(round(100 * worse, 3)), if(in_points, ' points', ' %')) AS Allowed",
        "firing AS Firing",
        f"if(alarms > 0, {SLICE}, '') AS Strongest",
        f"{odds('log_e_value')} AS Odds",
        f"{odds('needed')} AS Needed",
        f"{amount('estimate')} AS Candidate",
        f"{amount('baseline_estimate')} AS Baseline",
        'if(alarms > 0, n, NULL) AS "n candidate"',
        'if(alarms > 0, baseline_n, NULL) AS "n baseline"',
        "if(alarms > 0, last, NULL) AS Told",
        f"{plain('contract')} AS Contract",
        f"{plain('owner')} AS Owner",
    )
    of_both = " AND ".join(
        fits(chosen("candidate") if of == "release" else f"b.{of}", f"l.{name}") for name, of in PATTERNS.items()
    )
    keys = ("contract", *ROUTE, "metric")
    asked = (
        "SELECT l.contract AS contract, l.owner AS owner, l.metric AS metric, l.worse AS worse, l.in_points AS in_points, "
        f"b.environment AS environment, b.route AS route\nFROM (\n{LIMITS}\n) AS l CROSS JOIN (\n{BOTH}\n) AS b\nWHERE {of_both}"
    )
    rank = ", ".join(f"'{state}'" for state in STATES)
    return Query(
        "SELECT\n  "
        + ",\n  ".join(columns)
        + f"\nFROM (\n{asked}\n) AS a\nLEFT JOIN (\n{TOLD}\n) AS t USING ({', '.join(keys)})\n"
        f"ORDER BY indexOf([{rank}], State), Environment, Route, Contract, Metric\nLIMIT 500",
        table=True,
    )


PIXELS = {
    "State": 76,
    "Environment": 100,
    "Metric": 200,
    "Allowed": 68,
    "Firing": 55,
    "Strongest": 104,
    "Odds": 92,
    "Needed": 78,
    "Candidate": 84,
    "Baseline": 72,
    "n candidate": 84,
    "n baseline": 68,
    "Told": 92,
    "Contract": 74,
    "Owner": 84,
}
"""So that all columns fit on a screen of 1,440."""

COMPARED: Panel = cells(
    "What contracts compare",
    "Each metric that a contract compares with the release before, on routes that served both: whether watch told that it "
    "is more worse than Allowed, of how many slices it does now, and of the strongest the odds that it is no chance, beside the "
    "odds it needs. No alarm: watch told nothing of these two, for it found nothing, has too little, or compares others; "
    "`tailrace check --release` says which.",
    compared(),
    "short",
    8,
    "",
    {
        **{name: within(width) for name, width in PIXELS.items()},
        "Route": properties({"custom.wrapText": True}),
        "State": [*words(STATES), *within(PIXELS["State"])],
        "Told": [*SHORT_MOMENT, *properties({"custom.width": PIXELS["Told"]})],
        **{name: [*sample(100), *within(PIXELS[name])] for name in ("n candidate", "n baseline")},
    },
)
