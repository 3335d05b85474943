"""What the pipeline says it did, read from Kafka and ClickHouse, and every difference from the truth in readable words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from confluent_kafka import Consumer, KafkaError, TopicPartition

from pipeline.connectors.clickhouse import query
from pipeline.connectors.kafka import connection, lag, sources
from pipeline.settings import Settings
from tests.e2e.ledger import MEASURES, TRACE, Key, Ledger

VERDICTS = ("counted", "duplicate", "too_late", "ahead_of_clock")

PANES = f"""
SELECT window_start_ns, environment, route, model, release, cohort, language, {", ".join(f"sum({m})" for m in MEASURES)}
FROM panes FINAL GROUP BY ALL
"""

TRACES = f"SELECT trace_id, {', '.join(TRACE)} FROM traces FINAL"

SUMS = (
    *("traces", "traces_with_calls", "spans", "calls", "errors", "unknown_usage", "input_tokens", "output_tokens", "cost_nusd"),
    "told_twice",
)
SERIES = f"""
SELECT environment, route, release, cohort, language, {", ".join(f"sum({name})" for name in SUMS)}
FROM trace_performance GROUP BY ALL
"""

ROUTES = """
SELECT route, traces, calls, cost_nusd, cost_mean_nusd, tokens_per_trace, [cost_p50_nusd, cost_p95_nusd], [calls_p50, calls_p95]
FROM cost_by_route
"""

SHOWN = tuple(name for name in MEASURES if name not in {"cost_sq", "latency_sum_ns", "latency_sq", "ttft_count", "ttft_sum_ns"})
"""Measures that the view shows as they are."""

PERFORMANCE = f"""
SELECT toUnixTimestamp(window_start) * 1000000000, environment, route, model, release, cohort, language, {", ".join(SHOWN)}
FROM performance
"""

REPEATS = "SELECT trace_id || span_id FROM spans_counted WHERE counted_by NOT IN ('', span_id)"

MONEY = """
SELECT (SELECT sum(toInt128(cost_nusd)) FROM traces FINAL), (SELECT sum(cost_nusd) FROM trace_performance),
       (SELECT sum(cost_nusd) FROM cost_outside_traces), (SELECT sum(cost_nusd) FROM panes FINAL)
"""

UNSTABLE = f"""
SELECT source, offset, count() AS verdicts FROM ledger WHERE stage = 'aggregate'
GROUP BY source, offset HAVING uniqExact({", ".join(VERDICTS)}) > 1
"""
"""Offsets that were judged differently by different owners, as far as the store has not yet merged their rows."""

QUANTILES = """
SELECT route, quantilesTDigestMerge(0.5, 0.99)(latency_digest) FROM performance GROUP BY route
"""


class _Block(msgspec.Struct):
    trace_id: list[str]


def rows(settings: Settings, sql: str) -> list[list[Any]]:
    """The rows of a statement."""
    return query(settings, sql)[1]


def number(settings: Settings, sql: str) -> int:
    """The only number of a statement."""
    return int(rows(settings, sql)[0][0])


def behind(settings: Settings, stage: str) -> int:
    """Records a stage has still to read."""
    return sum(part.lag for part in lag(settings, stage))


def block_rows(settings: Settings) -> dict[tuple[int, int], int]:
    """Rows of every block that has any, by partition and offset of `spans`."""
    topic, found, ends = settings.topic("spans"), dict[tuple[int, int], int](), set[int]()
    config = {"group.id": "-", "enable.auto.commit": False, "enable.partition.eof": True}
    reader = Consumer(connection(settings) | config)
    partitions = sources(settings, "spans")
    reader.assign([TopicPartition(topic, p, 0) for p in partitions])
    while len(ends) < len(partitions):
        record = reader.poll(30.0)
        assert record is not None, "the topic of spans is read to its end"
        if (error := record.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
            ends.add(record.partition() or 0)
        elif record.key() is None and (n := len(msgspec.json.decode(record.value() or b"", type=_Block).trace_id)):
            found[record.partition() or 0, record.offset() or 0] = n
    reader.close()
    return found


def panes_differ(settings: Settings, truth: Mapping[Key, list[int]]) -> Iterator[str]:
    """Windows and series whose measures, summed over sources, are not the truth's."""
    stored = {(row[0], tuple(row[1:7])): [int(cell) for cell in row[7:]] for row in rows(settings, PANES)}
    for key in sorted(stored.keys() | truth.keys()):
        got, true = stored.get(key, [0] * len(MEASURES)), truth.get(key, [0] * len(MEASURES))
        if got != true:
            wrong = ", ".join(f"{m} {g} not {t}" for m, g, t in zip(MEASURES, got, true, strict=True) if g != t)
            yield f"{datetime.fromtimestamp(key[0] / 1e9, UTC):%H:%M:%S} {'/'.join(key[1])}: {wrong}"


def performance_differs(settings: Settings, truth: Mapping[Key, list[int]]) -> Iterator[str]:
    """Rows of the view that are not the truth's, or twice there."""
    found = [((row[0], tuple(row[1:7])), [int(cell) for cell in row[7:]]) for row in rows(settings, PERFORMANCE)]
    stored = dict(found)
    if len(stored) != len(found):
        yield f"{len(found)} rows of {len(stored)} windows and series"
    for key in sorted(stored.keys() | truth.keys()):
        true = [number for name, number in zip(MEASURES, truth.get(key, ()), strict=False) if name in SHOWN]
        if stored.get(key) != true:
            yield f"{key}: {SHOWN} {stored.get(key)} not {true}"


def repeats_differ(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Spans that stand for a call though another does, or the other way round."""
    found = {identity for (identity,) in rows(settings, REPEATS)}
    for wrong in sorted(found ^ ledger.told_again):
        what = "counts no call, though nobody else tells it" if wrong in found else "counts a call that others tell"
        yield f"span {wrong} {what}"


def traces_differ(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Traces whose row is not the truth's, or that have none, or two."""
    found = rows(settings, TRACES)
    stored = {row[0]: tuple(row[1:]) for row in found}
    if len(stored) != len(found):
        yield f"{len(found)} rows of {len(stored)} traces"
    for trace in sorted(stored.keys() | ledger.traces.keys()):
        got, true = (of.get(trace, ("",) * len(TRACE)) for of in (stored, ledger.traces))
        if got != true:
            yield f"{trace}: " + ", ".join(f"{m} {g} not {t}" for m, g, t in zip(TRACE, got, true, strict=True) if g != t)


def trace_sums_differ(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Series of traces whose sums in the view are not those of their traces; and the law of money."""
    truth: dict[tuple[str, ...], list[int]] = {}
    for row in ledger.traces.values():
        said = dict(zip(TRACE, row, strict=True))
        said |= {"traces": 1, "traces_with_calls": int(said["calls"] > 0)}
        before = truth.get(row[:5], [0] * len(SUMS))
        truth[row[:5]] = [sum_ + said[name] for sum_, name in zip(before, SUMS, strict=True)]
    stored = {tuple(row[:5]): [int(cell) for cell in row[5:]] for row in rows(settings, SERIES)}
    for series in sorted(stored.keys() | truth.keys()):
        if stored.get(series) != truth.get(series):
            yield f"{'/'.join(series)}: {SUMS} {stored.get(series)} not {truth.get(series)}"
    traces, windows, outside, calls = (int(cell) for cell in rows(settings, MONEY)[0])
    if not traces == windows == calls - outside:
        yield f"traces cost {traces}, their windows {windows}, calls {calls}, of these {outside} outside of traces"
    late, told = len(ledger.late_for_trace), number(settings, "SELECT sum(spans) FROM cost_outside_traces")
    if (late, ledger.outside_nusd) != (told, outside):
        yield f"{told} spans late for their traces cost {outside}, not {late} {ledger.outside_nusd}"


def routes_differ(settings: Settings, ledger: Ledger, error: float = 0.01) -> Iterator[str]:
    """Routes of which `cost_by_route` says something else than their traces."""
    at = {name: TRACE.index(name) for name in ("route", "calls", "cost_nusd", "input_tokens", "output_tokens")}
    for route, traces, calls, total, mean, tokens, costs, numbers in rows(settings, ROUTES):
        its = [row for row in ledger.traces.values() if row[at["route"]] == route]
        calling = [row for row in its if row[at["calls"]] > 0]
        cost_true, tokens_true = (
            sum(row[at[n]] for row in its for n in of) for of in (["cost_nusd"], ["input_tokens", "output_tokens"])
        )
        said = (int(traces), int(calls), int(total), round(mean), round(tokens))
        true = (
            len(its),
            sum(row[at["calls"]] for row in its),
            cost_true,
            round(cost_true / len(calling)),
            round(tokens_true / len(calling)),
        )
        if said != true:
            yield f"{route}: traces, calls, cost, mean, tokens {said} not {true}"
        whole = [round(value) for value in numbers]  # a centroid of 2s and 3s lies between them
        for name, found in (("cost_nusd", costs), ("calls", whole)):
            yield from _ranks_differ(f"{route} {name}", [row[at[name]] for row in calling], (0.5, 0.95), found, error)


def law_a_breaks(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Per offset of otlp_spans: spans in = rows out + dead, all three as they were sent."""
    sql = "SELECT source, offset, spans, rows, dead FROM ledger FINAL WHERE stage = 'decode'"
    said = {(int(source.split(":")[1]), offset): tuple(counts) for source, offset, *counts in rows(settings, sql)}
    sent = {(p, i): (n, n - dead, dead) for p, records in ledger.records.items() for i, (n, dead) in enumerate(records)}
    for at in sorted(said.keys() | sent.keys()):
        if said.get(at) != sent.get(at):
            yield f"otlp_spans {at}: (spans, rows, dead) {said.get(at)} not {sent.get(at)}"


def law_b_breaks(settings: Settings, blocks: Mapping[tuple[int, int], int]) -> Iterator[str]:
    """Per offset of spans: rows = counted + duplicate + too late + ahead of the clock; one verdict, always the same."""
    sql = f"SELECT source, offset, spans, {', '.join(VERDICTS)} FROM ledger FINAL WHERE stage = 'aggregate'"
    said = {(int(source.split(":")[1]), offset): counts for source, offset, *counts in rows(settings, sql)}
    for at in sorted(said.keys() | blocks.keys()):
        spans, *verdicts = said.get(at, [0])
        if not spans == sum(verdicts) == blocks.get(at, 0):
            yield f"spans {at}: {spans} rows, verdicts {verdicts}, the block has {blocks.get(at)}"
    for source, offset, verdicts in rows(settings, UNSTABLE):
        yield f"{source} {offset}: {verdicts} verdicts that differ"


def law_c_breaks(settings: Settings, ledger: Ledger) -> Iterator[str]:
    """Over distinct span ids: sent = counted + too late + dead, and every span that is not dead is kept."""
    counted = number(settings, "SELECT sum(counted) FROM ledger FINAL WHERE stage = 'aggregate'")
    true = len(ledger.sent) - len(ledger.too_late) - len(ledger.dead)
    if counted != true:
        yield f"counted {counted} not {true}: sent {len(ledger.sent)}, too late {len(ledger.too_late)}, dead {len(ledger.dead)}"
    kept = {identity for (identity,) in rows(settings, "SELECT trace_id || span_id FROM spans FINAL")}
    for wrong in sorted(kept ^ (ledger.sent - ledger.dead))[:10]:
        yield f"span {wrong}: {'kept though dead or never sent' if wrong in kept else 'lost'}"


def quantiles_differ(settings: Settings, ledger: Ledger, error: float = 0.01) -> Iterator[str]:
    """Routes whose p50 or p99 is further than `error` outside the calls that rank around it."""
    for route, found in rows(settings, QUANTILES):
        yield from _ranks_differ(f"{route} latency_ns", ledger.latencies[route], (0.5, 0.99), found, error)


def _ranks_differ(what: str, values: list[int], levels: Sequence[float], found: Sequence[float], error: float) -> Iterator[str]:
    """Quantiles that are further than `error` outside the values that rank around them."""
    exact = np.sort(np.array(values))
    for q, value in zip(levels, found, strict=True):
        rank = q * (len(exact) - 1)
        low, high = exact[max(0, int(rank) - 1)], exact[min(len(exact) - 1, int(rank) + 2)]
        if not low * (1 - error) <= value <= high * (1 + error):
            yield f"{what} p{q * 100:g} {value:.6g}, exactly {np.quantile(exact, q):.6g}"
