"""Traces are bounded: what is too large, too long, too many or too odd is cut at stated limits, and no call of it is lost."""

from collections import defaultdict
from time import process_time
from typing import Any

import orjson
import pytest

from pipeline.model.log_time import MOST_UNENDING, WindowPolicy
from pipeline.model.stream import Record
from pipeline.operators.window import OVERFLOW
from pipeline.stages.aggregate import Aggregate, Outputs, Partition
from tests.panes import counted, digest
from tests.spans import SOURCE, record, span, tick

S = 1_000_000_000
NOW = 1_795_000_020 * S
OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=4)
Rows = list[dict[str, Any]]


class Log:
    """A partition that is fed, and what it has written."""

    def __init__(self, **policy: int) -> None:
        self.stage = Aggregate(
            WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, **{"max_series": 2000, "call_hold_ns": 10 * S} | policy),
            OUTPUTS,
            10**18,
            S,
        )
        self.state: Partition = self.stage.open(SOURCE, None)
        self.records: list[Record] = []
        self.written: dict[str, Rows] = defaultdict(list)

    @property
    def offset(self) -> int:
        """Of the next message."""
        return len(self.records)

    def feed(self, at_ns: int, rows: Rows) -> None:
        self._step(record(self.offset, at_ns, rows))

    def tick(self, at_ns: int) -> None:
        self._step(tick(self.offset, at_ns, {0: at_ns}))

    def end(self, after_ns: int, step_ns: int = 20 * S) -> None:
        """Time passes until everything is final."""
        for at in range(after_ns, after_ns + 3600 * S, step_ns):
            self.tick(at)

    def _step(self, entry: Record) -> None:
        self.records.append(entry)
        self._fold(entry)

    def crash(self) -> None:
        """A successor folds again from what was committed."""
        progress = self.state.progress
        assert progress is not None
        self.state = self.stage.open(SOURCE, progress)
        for entry in self.records[progress.committed :]:
            self._fold(entry)

    def _fold(self, entry: Record) -> None:
        self.state, effects = self.stage.step(self.state, [entry], self.offset)
        for message in effects.messages:
            columns = orjson.loads(message.value)
            rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            self.written[message.topic if message.key is None else "trace panes"] += rows

    def finals(self) -> Rows:
        return [row for row in self.written["panes"] if row["firing"] == "final"]

    def balance(self) -> int:
        """Cost of panes less that of traces and of what lies outside them; also: no call is lost."""
        finals, ledger = self.finals(), self.written["ledger"]
        assert sum(row["counted"] for row in ledger) == sum(row["spans"] for row in self.written["traces"]) + sum(
            row["late_for_trace"] for row in ledger
        )
        return (
            sum(int(row["cost_nusd"]) for row in finals)
            - sum(row["cost_nusd"] for row in self.written["traces"])
            - sum(row["outside_nusd"] for row in ledger)
        )


def of(trace: int, number: int, end_ns: int, **said: Any) -> dict[str, Any]:
    told = {"trace_id": f"{trace:032x}", "start_ns": end_ns - S, "parent_span_id": "f" * 16, "response_id": f"r{number}"}
    return span(number, end_ns, **told | said)


@pytest.mark.parametrize("blocks", [20, 1000])
def test_a_trace_of_100_000_spans_is_cut_and_no_call_is_lost(blocks: int) -> None:
    log, n = Log(), 100_000
    each = n // blocks
    root = of(1, n + 1, NOW, parent_span_id="", kind="chain", cost_nusd=None, route="whole", cohort="c")
    log.feed(NOW, [root])
    for begin in range(0, n, each):
        log.feed(NOW, [of(1, i + 1, NOW, route="", cost_nusd=1) for i in range(begin, begin + each)])
    log.end(NOW)
    (trace,) = log.written["traces"]
    assert (trace["spans"], trace["calls"], trace["incomplete"], trace["cost_nusd"]) == (10_000, 9_999, True, 9_999)
    assert sum(row["late_for_trace"] for row in log.written["ledger"]) == n + 1 - 10_000
    assert {(row["route"], row["cohort"]) for row in log.finals()} == {("whole", "c")}
    assert sum(row["requests"] for row in log.finals()) == n
    assert log.balance() == 0


def test_a_trace_of_as_many_spans_as_it_may_have_is_whole() -> None:
    log = Log(max_trace_spans=3)
    log.feed(NOW, [of(1, i, NOW, parent_span_id="" if i == 3 else "f" * 16) for i in range(1, 4)])
    log.end(NOW)
    (trace,) = log.written["traces"]
    assert (trace["spans"], trace["incomplete"]) == (3, False)


def test_a_trace_that_never_ends_is_cut_and_what_follows_is_late() -> None:
    log, hours = Log(), 4
    for i in range(hours * 720):
        at = NOW + i * 5 * S
        log.feed(at, [of(1, i + 1, at)])
        log.tick(at)
    log.end(at)
    (trace,) = log.written["traces"]
    assert (trace["incomplete"], trace["last_ns"] - trace["first_ns"] <= 3620 * S) == (True, True)
    assert log.balance() == 0


def never_silent(log: Log, traces: int, minutes: range, crash_at: int = -1) -> None:
    """So many traces, some of their spans late for them, and among them ordinary ones."""
    for i in minutes:
        at = NOW + i * 60 * S
        log.feed(at, [of(trace, 1000 * i + trace, at, route="") for trace in range(1, traces + 1)])
        log.feed(at, [of(10**6 + i, 10**6 + i, at, parent_span_id="")])
        log.tick(at)
        if i == crash_at:
            log.crash()


def test_a_trace_that_never_ends_holds_no_offset_for_ever() -> None:
    """Over for as long as two traces are remembered, it holds nothing, and whoever begins after it knows that it is over."""
    written = []
    for crash_at in (-1, 300):
        log = Log()
        log.feed(NOW, [of(1, 10**9, NOW, parent_span_id="", kind="chain", cost_nusd=None, route="whole", cohort="c")])
        never_silent(log, 1, range(360), crash_at)
        progress = log.state.progress
        assert progress is not None
        assert [(one.trace_id, one.route, one.cohort) for one in progress.unending] == [(f"{1:032x}", "whole", "c")]
        assert log.offset - progress.committed < 3 * 30, "what half an hour held"
        log.end(NOW + 360 * 60 * S)
        assert log.balance() == 0
        assert log.state.windows.traces.remembered == 0, "silent at last, it is forgotten"
        written.append(log.written)
    uninterrupted, replaced = written
    assert [row["trace_id"] for row in uninterrupted["traces"] if row["incomplete"]] == [f"{1:032x}"]
    for topic in ("traces", "trace panes", "ledger", "repeats"):
        assert replaced[topic] == uninterrupted[topic], topic
    panes = ([row for row in told["panes"] if row["firing"] == "final"] for told in written)
    assert next(panes) == next(panes)


def test_as_many_traces_that_never_end_are_let_go_of_as_progress_can_name() -> None:
    log = Log(max_trace_spans=2)
    never_silent(log, MOST_UNENDING + 3, range(0, 240, 10))
    progress, held = log.state.progress, log.state.windows.traces.holding_on
    assert progress is not None
    assert (len(progress.unending), held, progress.committed) == (MOST_UNENDING, 3, 0)
    names = Log(max_trace_spans=2)
    for i in range(0, 240, 10):
        at = NOW + i * 60 * S
        names.feed(at, [of(trace, 1000 * i + trace, at, route="x" * 10_000) for trace in range(1, 10)])
        names.tick(at)
    assert (len(names.state.progress.unending), names.state.windows.traces.holding_on) == (6, 3)


def test_spans_are_bounded_while_the_watermark_stands_still() -> None:
    """A source that says nothing may hold the watermark back for an hour."""
    log, most = Log(max_open_spans=5_000), 0
    log._step(tick(0, NOW, {0: NOW}, partitions=2))
    for i in range(100):
        log.feed(NOW + i * S, [of(10_000 + i * 500 + j // 2, i * 500 + j + 1, NOW + i * S, cost_nusd=1) for j in range(500)])
        most = max(most, log.state.windows.traces.spans)
    assert most <= 5_500
    assert log.written["traces"]
    for at in range(NOW, NOW + 9000 * S, 20 * S):
        log._step(tick(log.offset, at, {0: at, 1: at}, partitions=2))
    assert sum(row["requests"] for row in log.finals()) == 50_000
    assert log.balance() == 0


def test_names_are_bounded_when_all_spans_are_late() -> None:
    """Nothing is held then, so nothing is thinned out."""
    log = Log(max_trace_spans=1, max_series=10)
    for i in range(60):
        rows = [of(1, i * 500 + j + 1, NOW, cohort=f"c{i * 500 + j}", route="", cost_nusd=1) for j in range(500)]
        log.feed(NOW, rows)
    assert len(log.state.windows.traces._series.known) < 5_000
    log.end(NOW)
    assert {row["cohort"] for row in log.finals()} >= {OVERFLOW, "c0"}
    assert log.balance() == 0


def test_10_000_series_that_take_their_names_from_traces() -> None:
    log = Log(max_series=100)
    for i in range(40):
        rows: Rows = []
        for trace in range(1 + i * 250, 1 + i * 250 + 250):
            rows += [
                of(trace, 2 * trace, NOW, route="", cohort="", cost_nusd=1),
                of(trace, 2 * trace + 1, NOW, parent_span_id="", kind="agent", route=f"r{trace}", cost_nusd=None),
            ]
        log.feed(NOW + i * 60 * S, [row | {"end_ns": NOW + i * 60 * S} for row in rows])
        log.tick(NOW + i * 60 * S)
    assert len(log.state.windows.traces._series.known) < 10_000
    log.end(NOW + 40 * 60 * S)
    assert sum(row["requests"] for row in log.finals()) == 10_000
    assert sum(row["traces"] for row in log.written["trace panes"]) == 10_000
    assert log.balance() == 0


ODD: dict[str, Rows] = {
    "a trace id of zeros": [of(0, 1, NOW), of(0, 2, NOW)],
    "its own parent": [of(1, 1, NOW, parent_span_id=f"{1:016x}"), of(1, 2, NOW, parent_span_id=f"{1:016x}")],
    "a cycle of parents": [of(1, i, NOW, parent_span_id=f"{i % 3 + 1:016x}") for i in (1, 2, 3)],
    "equal span ids in other traces": [of(trace, 7, NOW, parent_span_id="") for trace in (1, 2, 3)],
    "an end before its start": [of(1, 1, NOW, start_ns=NOW + 50 * S), of(1, 2, NOW, parent_span_id="", start_ns=NOW + 9 * S)],
    "in the future": [of(1, 1, NOW + 250 * S), of(1, 2, NOW, parent_span_id="")],
    "a span id twice, in two windows": [of(1, 1, NOW), of(1, 1, NOW - 100 * S)],
    "started in 1970": [of(1, 1, NOW, start_ns=0), of(1, 2, NOW, start_ns=0, parent_span_id="")],
    "many roots": [of(1, i, NOW, parent_span_id="") for i in range(1, 40)],
}


@pytest.mark.parametrize("rows", ODD.values(), ids=list(ODD))
def test_what_is_odd_counts_once_and_is_over_once(rows: Rows) -> None:
    log = Log()
    log.feed(NOW, rows)
    log.feed(NOW, rows)
    log.end(NOW)
    assert {row["trace_id"] for row in log.written["traces"]} == {row["trace_id"] for row in rows}
    assert len(log.written["traces"]) == len({row["trace_id"] for row in rows})
    assert sum(row["told_twice"] for row in log.written["traces"]) == len(log.written["repeats"])
    assert sum(row["requests"] for row in log.finals()) + len(log.written["repeats"]) == len(rows)
    assert all(row["latency_ns"] >= 0 for row in log.written["traces"])
    assert log.balance() == 0


def test_a_trace_that_calls_no_model_is_counted_and_is_no_part_of_what_one_costs() -> None:
    log = Log()
    log.feed(NOW, [of(1, 1, NOW, parent_span_id="", cost_nusd=7), of(2, 2, NOW, parent_span_id="", kind="chain", cost_nusd=None)])
    log.end(NOW)
    (pane,) = log.written["trace panes"]
    assert (pane["traces"], pane["traces_with_calls"], pane["calls"], pane["cost_nusd"]) == (2, 1, 1, "7")
    assert (pane["cost_digest"], pane["calls_digest"]) == (digest([7]), digest([1]))
    assert pane["latency_digest"] == digest([S, S])
    assert pane | counted(cost=[7], latency=[S, S]) == pane


def test_a_watermark_that_jumps_hours_leaves_nothing_open() -> None:
    log = Log()
    for at in (NOW, NOW + 30 * S, NOW + 90 * S):
        log.feed(at, [of(at // S % 7, at // S % 1000 + i + 1, at, route="") for i in range(9)])
    log.tick(NOW + 5 * 3600 * S)
    log.tick(NOW + 5 * 3600 * S + S)
    log.end(NOW + 5 * 3600 * S)
    assert (len(log.state.windows.traces), log.state.windows.traces.remembered, log.state.windows.traces.spans) == (0, 0, 0)
    assert log.balance() == 0


def test_the_cost_of_a_large_trace_is_near_linear() -> None:
    """A ratio in one process: a trace cut at 8 times as many spans, told twice each, takes at most 16 times as long."""

    def seconds(n: int) -> float:
        log = Log(max_trace_spans=4 * n)
        rows = [of(1, i + 1, NOW, response_id=f"r{i // 2}", scope_name=f"s{i % 2}") for i in range(2 * n)]
        begun = process_time()
        log.feed(NOW, rows)
        log.end(NOW)
        return process_time() - begun

    seconds(100)
    assert min(seconds(16_000) for _ in range(3)) < 16 * min(seconds(2_000) for _ in range(3))
