"""Rows of every table that boards read, for tests: some of each, and the same row once for each name that somebody hostile
could send.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from clickhouse_connect.driver.client import Client

from pipeline.connectors.clickhouse import insert_blocks
from pipeline.model.alerts import Alert, AlertState, Tier
from pipeline.model.columns import DEAD_LETTERS, LEDGER, REPEATS, SERIES, STATUS, TRACES, Column
from pipeline.model.contract_columns import CONTRACTS
from pipeline.model.contracts import HOUR_NS, Contract
from pipeline.model.standing_columns import STANDINGS
from pipeline.operators.alerts.cloud_event import encode
from pipeline.operators.alerts.told import told
from pipeline.operators.blocks import encode_rows
from pipeline.operators.contracts.meaning import stored
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.standing import Finding, Verdict
from pipeline.operators.watch.standing_told import row as standing_row
from tests import alerts, spans
from tests.panes import MINUTE_NS, NOON_NS, counted, digest, pane, panes, trace_pane, trace_panes
from tests.scores import score, score_pane, score_panes, skipped

NOON = NOON_NS // 10**9
MS = 1_000_000
DOLLAR = 1_000_000_000
HUNDRED = range(1, 101)

HOSTILE = {
    "a backslash": "back\\slash",
    "ends in a backslash": "ends with \\",
    "a quote after a backslash": "\\' OR 1=1 -- ",
    "quotes doubled": "'' OR 1=1 -- ",
    "a union": "x\\'])) UNION ALL SELECT name FROM system.tables -- ",
    "double quotes": '"\\" OR 1=1 -- ',
    "backquotes": "`performance` -- ",
    "commas": "chat,m1,r1,free,prod",
    "braces": "{chat,m1}",
    "percents": "100%25 of %27, %",
    "a macro": "$__timeFilter(window_start)",
    "all": "$__all",
    "a variable": "${route} $route [[route]]",
    "comments": "/* -- # */",
    "a null and a newline": "\x00\n",
    "not ASCII": "ärger \u2028 🚀",
}
TAME = "tame"
NAMES = (TAME, *HOSTILE.values())
FAR = 20_000
"""Minutes after noon at which the rows of these names begin, one each."""


def served(latencies: Sequence[int], errors: int, dollars: str, **changes: Any) -> dict[str, Any]:
    """A pane of streamed calls; `dollars` is the cost of each, with three decimals."""
    each = int(dollars.replace(".", "")) * MS
    spent = len(latencies) * each
    cost: dict[str, Any] = {"cost_nusd": str(spent), "cost_input_nusd": str(spent // 2), "cost_output_nusd": str(spent // 4)}
    streamed = {"streamed": len(latencies), "ttft_count": len(latencies), "ttft_digest": digest([x / 10 for x in latencies])}
    tokens = {"input_tokens": 1200, "output_tokens": 600, "tps_digest": digest([50.0] * len(latencies))}
    tokens |= counted(tps=[50_000] * len(latencies), cost=[each] * len(latencies))
    return pane(latencies=latencies, errors=errors, cohort="free", firing="final", **cost | streamed | tokens | changes)


SHOWN: dict[str, Any] = {"refusal_checked": 100, "citation_checked": 50, "schema_checked": 20}
"""Answers of which behaviour can be told."""

FIRST = served([10 * MS * i for i in HUNDRED], 2, "0.002", release="r1", **SHOWN, refusals=5, citations=40, schema_valid=20)
PANES = (
    FIRST | {"revision": 0, "requests": 50, "errors": 50},  # fired early, replaced by the row after it
    FIRST,
    served([10 * MS * (100 + i) for i in HUNDRED], 2, "0.002", release="r1", source="spans:1:e"),
    served(
        [20 * MS * i for i in HUNDRED], 10, "0.003", release="r2", minute=1, **SHOWN, refusals=15, citations=30, schema_valid=15
    ),
    pane(1, [5 * MS] * 10, route="it's search", model="m2", release="r2", unknown_usage=4, unpriced=10),
)
"""Two partitions of release r1 (0.01 s to 2 s) in the first minute; r2 (0.02 s to 2 s) and a small second route after it."""

TRACE_PANES = (
    trace_pane(0, [DOLLAR] * 60, release="r1", cohort="free", calls=120, latency_digest=digest([MS * i for i in range(1, 61)])),
    trace_pane(0, [3 * DOLLAR] * 40, release="r1", cohort="free", source="spans:1:e", incomplete=10, unpriced_traces=25),
    trace_pane(1, [2 * DOLLAR] * 50, release="r2", cohort="free", failed=5),
    trace_pane(1, [5 * DOLLAR], route="it's search", release="r2"),
)


def scored(minute: int, good: int, bad: int, **changes: Any) -> dict[str, Any]:
    """A pane of `good` scores of 0.9 and `bad` ones of 0.1 that do not pass, two skipped and one over budget."""
    rows = [
        *(score(i, value=0.9, passed=True, **changes) for i in range(good)),
        *(score(good + i, value=0.1, passed=False, **changes) for i in range(bad)),
        *(skipped(900 + i, **changes) for i in range(2)),
        skipped(990, **changes) | {"status": "over_budget"},
    ]
    return score_pane(rows, minute, firing="final")


CHAT: dict[str, Any] = {"route": "chat", "model": "m1", "cohort": "free"}
SCORE_PANES = (
    scored(0, 80, 20, **CHAT | {"release": "r1"}),
    scored(1, 60, 40, **CHAT | {"release": "r2"}),
    scored(1, 95, 5, **CHAT | {"release": "r2", "cohort": "pro", "judge_model": "j", "judge_cost_nusd": 1000}),
    scored(2, 50, 0, **CHAT | {"release": "r2", "evaluator_version": "2"}),
)


def blank(columns: Sequence[Column]) -> dict[str, Any]:
    """A row of nothings."""
    nothing = {"string": "", "integer": 0, "number": 0.0, "boolean": False, "object": {}, "integers": []}
    return {column.name: None if column.nullable else nothing[column.type] for column in columns}


def trace(number: int, minute: int = 0, **changes: Any) -> dict[str, Any]:
    """A trace that was over so many minutes after noon."""
    closed = NOON_NS + minute * MINUTE_NS + 1
    times = {"first_ns": closed - 3 * MINUTE_NS, "last_ns": closed - 2 * MINUTE_NS, "closed_ns": closed}
    about = {"trace_id": f"{number:032x}", "environment": "prod", "route": "chat", "release": "r1", "cohort": "free"}
    return blank(TRACES) | about | times | {"calls": 1, "spans": 3, "source": "spans:0:e", "first_offset": number} | changes


TRACES_OVER = (
    *(trace(i, latency_ns=i * 100 * MS, cost_nusd=i * MS, input_tokens=10) for i in range(1, 61)),
    trace(100, 1, latency_ns=90_000 * MS, cost_nusd=3 * DOLLAR, calls=12, failed=True, errors=2, release="r2"),
    trace(101, 1, route="it's search", cohort="", release="r2", latency_ns=5 * MS, incomplete=True, unpriced=1),
)

LOOKED_AT = f"{100:032x}"
SPANS_OF_ONE = (
    spans.span(1, NOON_NS + 9_000 * MS, trace_id=LOOKED_AT, start_ns=NOON_NS, kind="agent", model="", cost_nusd=None),
    spans.span(2, NOON_NS + 8_000 * MS, trace_id=LOOKED_AT, start_ns=NOON_NS + 100 * MS, parent_span_id=f"{1:016x}"),
    spans.span(3, NOON_NS + 7_000 * MS, trace_id=LOOKED_AT, start_ns=NOON_NS + 200 * MS, status="error", error_type="Timeout"),
    spans.span(4, NOON_NS + 7_000 * MS, trace_id=f"{5:032x}", start_ns=NOON_NS),
)
"""Of the slowest trace, the last but one a repeat; and one of another."""

REPEATED = {"trace_id": LOOKED_AT, "span_id": f"{3:016x}", "counted_by": f"{2:016x}", "rule": "parent", "end_ns": NOON_NS + MS}

OTLP, SPANS = "otlp_spans:0:e", "tailrace.spans.v1:0"
MEASURED = {
    "aggregate": {
        "watermark_delay_ns": 12_000 * MS,
        "open_windows": 12,
        "series": 40,
        "overflow": 1,
        "open_traces": 7,
        "trace_spans": 70,
        "held_offsets": 30,
        "lag": 5,
    },
    "evaluate": {
        "watermark_delay_ns": 15_000 * MS,
        "open_samples": 3,
        "asked": 2,
        "judged_nusd": 2 * DOLLAR,
        "scores_ok": 9,
        "lag": 1,
    },
    "scores": {"series": 4, "overflow": 0, "held_offsets": 2, "lag": 2},
    "watch": {
        "contracts": 1,
        "contracts_unreadable": 0,
        "slices": 8,
        "alarms": 2,
        "sources_left_out": 0,
        "held_offsets": 3,
        "lag": 3,
    },
    "decode": {"lag": 100, "lost_to_retention": 4},
    "sink": {"lag": 50, "freshness_ns": 40_000 * MS},
}


def status() -> list[dict[str, Any]]:
    """What stages said twice in the first minute."""
    rows = [
        {"stage": stage, "source": SPANS, "metric": metric, "value": float(value)}
        for stage, values in MEASURED.items()
        for metric, value in values.items()
    ]
    rows += [
        {"stage": "aggregate", "source": OTLP, "metric": "slowest_source_delay_ns", "value": 3e9},
        {"stage": "aggregate", "source": f"{OTLP}2", "metric": "left_out_source_ns", "value": 9e11},
    ]
    late = [row | {"time_ns": NOON_NS + 10**10} for row in rows]
    return [*(row | {"time_ns": NOON_NS, "value": 1.0} for row in rows if row["metric"] != "lost_to_retention"), *late]


WORST_NS = NOON_NS - 3 * 1440 * MINUTE_NS
"""When, for a quarter of an hour, nothing went well."""


def worst() -> list[dict[str, Any]]:
    """What stages said then, every minute."""
    bad = {
        ("sink", "freshness_ns"): 700e9,
        ("sink", "lag"): 20_000.0,
        ("watch", "lag"): 20_000.0,
        ("aggregate", "lost_to_retention"): 7.0,
    }
    return [
        {"stage": stage, "source": SPANS, "metric": metric, "value": value, "time_ns": WORST_NS + minute * MINUTE_NS}
        for minute in range(16)
        for (stage, metric), value in bad.items()
    ]


LEDGER_ROWS = (
    {
        "stage": "decode",
        "source": OTLP,
        "spans": 1000,
        "rows": 980,
        "dead": 20,
        "not_understood": 10,
        "names": "$llm.x",
        "contradictions": 5,
    },
    {
        "stage": "aggregate",
        "source": f"{SPANS}:e",
        "spans": 980,
        "counted": 900,
        "duplicate": 49,
        "too_late": 21,
        "ahead_of_clock": 10,
    },
)
DEAD_ROWS = (
    {
        "source": OTLP,
        "index": -1,
        "count": 15,
        "reason": "malformed_json",
        "detail": "at byte 7",
        "size_bytes": 900,
        "head_hash": "a",
    },
    {
        "source": OTLP,
        "index": 2,
        "count": 5,
        "reason": "bad_trace_id",
        "detail": "31 digits",
        "size_bytes": 500,
        "head_hash": "b",
    },
)


UNJUDGED = FAR - 100
"""Minutes after noon at which watch misses a route, and a source has stopped."""


def placed(alert: Alert, minute: int, **changes: Any) -> Alert:
    """An alert whose times are so many minutes after noon, told whole."""
    at = NOON_NS + minute * MINUTE_NS
    times = {"at_ns": at, "first_seen_ns": at - MINUTE_NS, "fired_ns": at}
    where = {"environment": "prod", "route": "chat", "contract": "chat"}
    moved = replace(alert, **where | times | changes)
    return told(moved, alerts.PANES, minute)


ALERTS = (
    placed(alerts.OBJECTIVE, 1, rule="slow", slice=()),
    placed(
        alerts.OBJECTIVE,
        1,
        rule="error.ratio.at_most.5m",
        metric="error.ratio",
        unit="share",
        tier=Tier.CROSSED,
        severity="ticket",
    ),
    placed(alerts.REGRESSION, 2, release="r2", previous_release="r1", log_e_value=9.0, needed=8.0, hypotheses=150),
    placed(
        alerts.REGRESSION,
        1,
        release="r2",
        previous_release="r1",
        metric="latency.p99",
        unit="ns",
        log_e_value=20.0,
        needed=8.0,
        state=AlertState.RESOLVED,
        resolved_ns=NOON_NS + MINUTE_NS,
    ),
    placed(alerts.NO_DATA, UNJUDGED, slice=()),
    replace(alerts.PIPELINE, at_ns=NOON_NS + UNJUDGED * MINUTE_NS),
    placed(alerts.BURN_RATE, 0, short_window_ns=5 * MINUTE_NS, window_ns=HOUR_NS),
    placed(alerts.BURN_RATE, 1, state=AlertState.RESOLVED, resolved_ns=NOON_NS + MINUTE_NS),
)


LIKELY = Finding(Verdict.LIKELY, replace(ALERTS[1], log_e_value=6.0, needed=8.0, hypotheses=150, detectable=0.4))
STANDING = (
    Finding(Verdict.BROKEN, ALERTS[0]),
    LIKELY,
    Finding(Verdict.TOO_FEW, replace(ALERTS[2], n=40, estimate=None, low=None, high=None, log_e_value=None), missing=560),
    Finding(Verdict.KEPT, ALERTS[6]),
)


def hostile(name: str, n: int) -> dict[str, list[bytes]]:
    """Rows of a name that stands wherever somebody can put one, in the n-th of the far minutes."""
    minute, series = FAR + n, dict.fromkeys(SERIES, name)
    of_trace = {key: name for key in SERIES if key != "model"}
    calls = served([10 * MS * i for i in HUNDRED], 3, "0.002", minute=minute, **SHOWN, refusals=1, citations=1, schema_valid=1)
    alarm = placed(alerts.REGRESSION, minute, contract="c", environment=name, route=name, slice=(("cohort", name),))
    return {
        "panes": [panes(calls | series)],
        "trace_panes": [trace_panes(trace_pane(minute, [2 * MS] * 100, **of_trace))],
        "score_panes": [score_panes(scored(minute, 20, 10, **series, evaluator=name))],
        "traces": [encode_rows(TRACES, [trace(FAR + n, minute, cost_nusd=MS, latency_ns=MS, failed=True, **of_trace)])],
        "spans": [spans.block([spans.span(FAR + n, NOON_NS + minute * MINUTE_NS, **series)])],
        "alerts": [encode(replace(alarm, text="worse", rule="rule", owner="o"))],
        "standings": [
            stands(replace(LIKELY, alert=replace(alarm, log_e_value=4.0)), at_ns=NOON_NS + minute * MINUTE_NS, contract="chat")
        ],
    }


PROMISES = """
name: chat
version: 1
owner: team-chat
environment: "*"
routes: "*"
objectives:
  - {metric: latency.p99, at_most: 100s, window: 5m, minimum: 100, id: slow}
  - {metric: latency.p50, at_most: 100s, window: 1m, minimum: 10, id: newest}
  - {metric: error.ratio, at_most: 2%, minimum: 100}
  - {metric: cost_per_trace.p95, at_most: 10 USD, minimum: 30}
  - {metric: cost.sum, at_most: 50 USD/day}
  - {metric: cost_per_call.p95, at_most: 10 USD, minimum: 30}
  - {metric: judge.mean, at_least: 0.5}
  - {metric: tokens_per_second.p50, at_least: 40 tokens/s, window: 5m, minimum: 300, id: pace}
regression: {metrics: [error.ratio, latency.p99, judge.mean], limits: {latency.p99: 10%, judge.mean: 5 points}}
error_budgets:
  - {of: error.ratio, target: 90%}
  - {of: latency, above: 1.5s, target: 50%, id: late}
  - {of: cost_per_trace, above: $2, target: 80%, id: dear}
  - {of: cost_per_call, above: $0.0025, target: 50%, id: pricey}
  - {of: tokens_per_second, below: 60 tokens/s, target: 50%, id: pace}
  - {of: judge.fail, target: 70%}
"""


def stands(*findings: Finding, at_ns: int = NOON_NS + MINUTE_NS, **changes: Any) -> bytes:
    """A look at the contract that is in force."""
    of = [replace(one, alert=replace(one.alert, contract_hash=promised().hash, **changes)) for one in findings]
    return encode_rows(STANDINGS, [standing_row(one, 0, at_ns) for one in of])


def promised() -> Contract:
    """A contract that speaks of every route."""
    found = read(PROMISES.encode(), "chat", ("judge",)).contract
    assert found is not None, "the contract is read"
    return found


def applied() -> bytes:
    """As it was applied."""
    found = promised()
    about = {"name": found.name, "version": 1, "hash": found.hash, "owner": found.owner, "text": PROMISES, "applied_ns": NOON_NS}
    return encode_rows(CONTRACTS, [about | {"applied_by": "", "removed": False, "meaning": stored(found)}])


def timed(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows of the first minute."""
    return encode_rows(
        columns, [blank(columns) | row | {"time_ns": row.get("time_ns", NOON_NS + i)} for i, row in enumerate(rows)]
    )


def load(client: Client) -> None:
    """All of them, and the roll-ups of what has some."""
    stored: dict[str, list[bytes]] = {
        "panes": [panes(row) for row in PANES],
        "trace_panes": [trace_panes(*TRACE_PANES)],
        "score_panes": [score_panes(*SCORE_PANES)],
        "traces": [encode_rows(TRACES, TRACES_OVER)],
        "spans": [spans.block(SPANS_OF_ONE)],
        "repeats": [encode_rows(REPEATS, [blank(REPEATS) | REPEATED])],
        "status": [timed(STATUS, [*status(), *worst()])],
        "ledger": [timed(LEDGER, LEDGER_ROWS)],
        "dead_letters": [timed(DEAD_LETTERS, DEAD_ROWS)],
        "alerts": [encode(alert) for alert in ALERTS],
        "contracts": [applied()],
        "standings": [stands(*STANDING), stands(replace(STANDING[0], verdict=Verdict.KEPT), at_ns=NOON_NS)],
    }
    for n, name in enumerate(NAMES):
        for table, blocks in hostile(name, n).items():
            stored[table] += blocks
    for table, blocks in stored.items():
        assert insert_blocks(client, table, blocks) == {}, table
    for of in ("panes", "trace_panes", "score_panes"):
        for rollup in (f"{of}_hourly", f"{of}_daily", *(["panes_hourly_routes"] if of == "panes" else [])):
            client.command(f"SYSTEM REFRESH VIEW {rollup}_refresh")
            client.command(f"SYSTEM WAIT VIEW {rollup}_refresh")
