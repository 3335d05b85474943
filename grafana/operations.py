"""The board *Operations*: how the pipeline itself is, as the store knows it.

What stages measured stands in `status`, what became of each record in `ledger`, what could not be understood in
`dead_letters`. A stage
that stands still says nothing more, so its line ends; `tailrace status` asks Kafka itself.
"""

# ruff: noqa: S608 - the SQL of a board is made of constants

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.measures import SECOND, N
from grafana.panels import SHARE, Panel, cells, chart, coloured, limits, numbers, properties
from grafana.sql import SEEN, SERIES, VIEW_ROWS, Query, ratio, where
from grafana.variables import assemble, component, view
from pipeline.model.columns import OVERFLOW

UID = "tailrace-operations"
MINUTE = 60 * SECOND
IN_RANGE = "$__timeFilter(time)"
EMPTY, OTHER = "''", f"'{OVERFLOW}'"
PAIRS = [f"('{column}', {column})" for column in SERIES]


def _last(*values: str, metrics: tuple[str, ...], also: str = "") -> Query:
    """One row over what each source last said of each metric in the range: columns stage, source, metric, v."""
    names = ", ".join(f"'{one}'" for one in metrics)
    return Query(
        "SELECT\n  " + ",\n  ".join(values) + "\nFROM (SELECT stage, source, metric, argMax(value, time_ns) AS v FROM status\n"
        f"WHERE {IN_RANGE} AND metric IN ({names}){also}\nGROUP BY stage, source, metric)",
        table=True,
    )


def _said(value: str, line: str, metrics: tuple[str, ...], also: str = "") -> Query:
    """Over time: `value` over what each source last said in a point, `v`, a line for each `line`."""
    names = ", ".join(f"'{one}'" for one in metrics)
    return Query(
        f"SELECT time, {line} AS Line, {value} AS value\nFROM (SELECT $__timeInterval(at) AS time, stage, source, metric, "
        f"argMax(value, time_ns) AS v\nFROM (SELECT time AS at, time_ns, stage, source, metric, value FROM status\n"
        f"WHERE {IN_RANGE} AND metric IN ({names}) AND value >= 0{also})\n"
        f"GROUP BY time, stage, source, metric)\nGROUP BY time, Line\nORDER BY time, Line"
    )


def _shown(column: str) -> str:
    """A text that may have come from outside, without what begins Grafana's own words."""
    return f"replaceAll({column}, char(36), '%24')"


def _verdicts(stage: str, columns: tuple[str, ...]) -> Query:
    values = ",\n  ".join(f'sum({name}) / $__interval_s AS "{name.replace("_", " ")}"' for name in columns)
    return Query(
        f"SELECT\n  $__timeInterval(at) AS time,\n  {values}\nFROM (SELECT *, time AS at FROM ledger FINAL WHERE {IN_RANGE})\n"
        f"WHERE stage = '{stage}'\nGROUP BY time\nORDER BY time"
    )


NOW: tuple[Panel, ...] = (
    numbers(
        "Freshness",
        "Age of the newest span in ClickHouse, as the sink last said: how far behind everything here is.",
        _last("if(count() = 0, NULL, max(v)) AS Freshness", metrics=("freshness_ns",)),
        "ns",
        4,
        limits(2 * MINUTE, 10 * MINUTE),
    ),
    numbers(
        "Newest window",
        "Age of the end of the newest window of calls at the end of the range: a pipeline that runs keeps it at a "
        "window and half a minute.",
        Query(
            "SELECT if(count() = 0, NULL, 1e9 * greatest(0, $__toTime - max(window_end))) AS Age\n"
            f"FROM {SEEN}\nWHERE {where(*SERIES)}",
            table=True,
        ),
        "ns",
        4,
        limits(3 * MINUTE, 10 * MINUTE),
    ),
    numbers(
        "Watermark delay",
        "By how much the slowest partition of spans is behind the clock; it closes windows that much later.",
        _last(
            "if(count() = 0, NULL, max(v)) AS Slowest",
            metrics=("watermark_delay_ns",),
            also=" AND stage = 'aggregate' AND value >= 0",
        ),
        "ns",
        4,
        limits(2 * MINUTE, 10 * MINUTE),
    ),
    numbers(
        "Messages to read",
        "What all partitions of each stage have still to read, as last said.",
        _last(
            *(
                f"sumIf(v, stage = '{stage}') AS {stage}"
                for stage in ("decode", "aggregate", "evaluate", "scores", "watch", "sink")
            ),
            metrics=("lag",),
        ),
        "short",
        12,
        limits(10_000, 1_000_000),
    ),
    numbers(
        "Not counted",
        "Shares of the rows that aggregate read: seen before, of a window that was final, ahead of their clock. A "
        "resend is no loss, the "
        "others are.",
        Query(
            "SELECT "
            + ", ".join(
                f'sum({name}) / nullIf(sum(spans), 0) AS "{said}"'
                for name, said in (("duplicate", "Duplicate"), ("too_late", "Too late"), ("ahead_of_clock", "Ahead of clock"))
            )
            + f"\nFROM ledger FINAL\nWHERE {IN_RANGE} AND stage = 'aggregate'",
            table=True,
        ),
        "percentunit",
        9,
        limits(0.01, 0.05),
    ),
    numbers(
        "Dead",
        "Share of the spans that could not be understood, and of calls whose tokens do not add up by any rule or that "
        "look like calls in "
        "words nobody knows.",
        Query(
            "SELECT sum(dead) / nullIf(sum(spans), 0) AS Dead, sum(contradictions) / nullIf(sum(spans), 0) AS Contradictions, "
            'sum(not_understood) / nullIf(sum(spans), 0) AS "Not understood"\n'
            f"FROM ledger FINAL\nWHERE {IN_RANGE} AND stage = 'decode'",
            table=True,
        ),
        "percentunit",
        9,
        limits(0.01, 0.05),
    ),
    numbers(
        "Lost to retention",
        "Records that a topic gave up before a stage had read them. Anything but 0 is lost.",
        Query(f"SELECT sum(value) AS Lost\nFROM status FINAL\nWHERE {IN_RANGE} AND metric = 'lost_to_retention'", table=True),
        "short",
        6,
        limits(1, 1),
    ),
)

TIME: tuple[Panel, ...] = (
    chart(
        "Freshness over time",
        "Age of the newest span in ClickHouse.",
        _said("max(v)", "'age of the newest span'", ("freshness_ns",)),
        "ns",
        8,
        "Line",
    ),
    chart(
        "Watermark delay by partition",
        "By how much each partition of spans, and of samples, is behind the clock.",
        _said("max(v)", f"concat(stage, ' ', {_shown('source')})", ("watermark_delay_ns",)),
        "ns",
        8,
        "Line",
    ),
    chart(
        "Slowest and silent sources",
        "Partitions of OTLP records that hold the watermark back, and those it goes on without: how long each is "
        "behind or silent.",
        _said(
            "max(v)",
            f"concat({_shown('source')}, if(metric = 'left_out_source_ns', ', left out', ''))",
            ("slowest_source_delay_ns", "left_out_source_ns"),
        ),
        "ns",
        8,
        "Line",
    ),
    chart("Messages to read by stage", "Lag, summed over partitions.", _said("sum(v)", "stage", ("lag",)), "short", 8, "Line"),
    chart(
        "Messages held by stage",
        "What a restart reads again: for open windows, traces, judgements.",
        _said("sum(v)", "stage", ("held_offsets",)),
        "short",
        8,
        "Line",
    ),
    chart(
        "Held open by aggregate and evaluate",
        "How many, as their memory grows: open windows, open traces and their spans, samples that are open or asked about.",
        _said("sum(v)", "replaceAll(metric, '_', ' ')", ("open_windows", "open_traces", "trace_spans", "open_samples", "asked")),
        "short",
        8,
        "Line",
    ),
)

VERDICTS: tuple[Panel, ...] = (
    chart(
        "Spans decoded",
        "Spans per second by what decode made of them.",
        _verdicts("decode", ("rows", "dead", "not_understood", "contradictions")),
        "count:spans/s",
        8,
    ),
    chart(
        "Rows counted",
        "Rows of spans per second by the verdict of aggregate. Late for their trace: counted, but in no trace.",
        _verdicts("aggregate", ("counted", "duplicate", "too_late", "ahead_of_clock", "late_for_trace")),
        "count:spans/s",
        8,
    ),
    chart(
        "Dead letters by reason",
        "Spans per second that could not be understood; each reason is a heading of the runbook.",
        Query(
            "SELECT $__timeInterval(at) AS time, reason AS Reason, sum(count) / $__interval_s AS spans\n"
            f"FROM (SELECT *, time AS at FROM dead_letters FINAL WHERE {IN_RANGE})\nGROUP BY time, Reason\nORDER BY time, Reason"
        ),
        "count:spans/s",
        8,
        "Reason",
    ),
    cells(
        "Dead letters",
        "By reason and beginning of the record, most first, with what exactly was wrong in one of them.",
        Query(
            f"SELECT reason AS Reason, {_shown('source')} AS Source, sum(count) AS Spans, max(time) AS Last, "
            f"{_shown('any(detail)')} AS Detail,\n"
            f"  max(size_bytes) AS Largest\nFROM dead_letters FINAL\nWHERE {IN_RANGE}\n"
            "GROUP BY Reason, source, head_hash\nORDER BY Spans DESC, Reason, Source\nLIMIT 100",
            table=True,
        ),
        "short",
        8,
        "Spans",
        {
            "Last": properties({"unit": "dateTimeAsIso"}),
            "Largest": properties({"unit": "bytes"}),
            "Detail": properties({"custom.width": 420}),
        },
        14,
        nothing="No dead letter in the range",
    ),
    cells(
        "Not understood",
        "Spans that look like calls of a model in words nobody knows, by the names of their attributes.",
        Query(
            f"SELECT {_shown('names')} AS Names, sum(not_understood) AS Spans\nFROM ledger FINAL\n"
            f"WHERE {IN_RANGE} AND stage = 'decode' AND not_understood > 0\nGROUP BY names\nORDER BY Spans DESC, Names\nLIMIT 50",
            table=True,
        ),
        "short",
        8,
        "Spans",
        {},
        10,
        nothing="Every span was understood",
    ),
)

CARDINALITY: tuple[Panel, ...] = (
    chart(
        "Series in open windows",
        "Of all partitions, and what the limit put together into __other__ (overflow): its numbers are nobody's.",
        _said("sum(v)", "concat(stage, ' ', metric)", ("series", "overflow")),
        "short",
        12,
        "Line",
    ),
    cells(
        "Values of each component",
        "How many values each component of the series has in the range and selection, and the share of calls that did "
        "not say it. Hundreds "
        "are worth a look: ids do not belong into a route or a cohort.",
        Query(
            "SELECT c.1 AS Component, uniqExactIf(c.2, c.2 != '') AS Values, "
            f"{ratio(f'sumIf(requests, c.2 = {EMPTY})', N)} AS Unknown, {ratio(f'sumIf(requests, c.2 = {OTHER})', N)} "
            f"AS Overflow\n"
            f"FROM (SELECT requests, arrayJoin([{', '.join(PAIRS)}]) AS c FROM {VIEW_ROWS}\nWHERE "
            f"{where(*SERIES)})\n"
            "GROUP BY Component\nORDER BY Values DESC, Component",
            table=True,
        ),
        "short",
        9,
        "Values",
        {
            "Values": coloured("short", 100, 1000),
            "Unknown": properties(SHARE),
            "Overflow": coloured("percentunit", 0.001, 0.01),
        },
        12,
    ),
)

JUDGES: tuple[Panel, ...] = (
    chart(
        "Judges' money of the day",
        "US dollars that judgements cost or have set aside since midnight UTC, by all partitions of samples; the limit is "
        "TAILRACE_JUDGE_DAILY_USD.",
        _said("sum(v) / 1e9", "stage", ("judged_nusd",)),
        "currencyUSD",
        8,
        "Line",
    ),
    chart(
        "Scores by status",
        "Scores since the start of each evaluate process: with a value, skipped, over budget, failed.",
        _said(
            "sum(v)",
            "replaceAll(replaceAll(metric, 'scores_', ''), '_', ' ')",
            tuple(f"scores_{s}" for s in ("ok", "failed", "skipped", "over_budget", "invalid", "timeout")),
        ),
        "short",
        8,
        "Line",
    ),
    chart(
        "What watch holds",
        "Contracts judged and those that cannot be read, slices judged and left out, alarms that hold, sources left out, "
        "what does not fit into a snapshot.",
        _said(
            "sum(v)",
            "replaceAll(metric, '_', ' ')",
            (
                "contracts",
                "contracts_unreadable",
                "slices",
                "slices_left_out",
                "alarms",
                "late_panes",
                "unreadable",
                "sources_left_out",
                "quantiles_not_written",
                "comparisons_not_written",
                "objectives_not_written",
                "silences_not_written",
            ),
            also=" AND stage = 'watch'",
        ),
        "short",
        8,
        "Line",
    ),
)


def board() -> Dashboard:
    """The board, ready to be rendered."""
    return assemble(
        UID,
        "Operations",
        "How the pipeline itself is: freshness, watermarks, lag, what was not counted and why, cardinality, judges' money.",
        [view(), *map(component, SERIES)],
        {"Now": NOW, "Time": TIME, "What became of spans": VERDICTS, "Cardinality": CARDINALITY, "Judges and watch": JUDGES},
    )
