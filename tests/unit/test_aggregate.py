"""aggregate: what is bounded, what is refused, where rows go, and that it repeats byte for byte."""

from typing import Any

import orjson
import pytest

from pipeline.model.columns import OVERFLOW, PANES, TOKENS
from pipeline.model.log_time import BEGINNING, WindowPolicy
from pipeline.model.stream import Effects, Progress, Record
from pipeline.stages.aggregate import Aggregate, Outputs
from pipeline.topics import partition_of, route_key
from tests.panes import counted
from tests.spans import SOURCE, block, record, span, tick

S = 1_000_000_000
NOW = 1_795_000_020 * S
OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=4)


def stage(max_series: int = 2000) -> Aggregate:
    return Aggregate(WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, max_series), OUTPUTS, 10 * S, S)


def rows_of(effects: Effects, topic: str) -> list[dict[str, Any]]:
    found = []
    for message in effects.messages:
        if message.topic == topic and message.key is None:
            columns = orjson.loads(message.value)
            found += [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found


def test_a_pane_adds_up_what_its_calls_say() -> None:
    calls = [
        span(1, NOW, latency_ns=3, ttft_ns=1, stream=True, output_tokens=4, refusal=True, citation=False),
        span(2, NOW, latency_ns=5, status="error", input_tokens=None, output_tokens=None, cost_nusd=None, cost_source=""),
        span(3, NOW, latency_ns=7, input_tokens=None, output_tokens=None, cost_nusd=None, cost_source=""),
        span(4, NOW, latency_ns=11, cost_nusd=None, cost_source="unpriced", schema_valid=True),
        span(5, NOW, kind="tool", latency_ns=10**9),
    ]
    aggregate = stage()
    state, effects = aggregate.step(aggregate.open(SOURCE, None), [record(0, NOW, calls)], 0)
    (pane,) = rows_of(effects, "panes")
    assert {name: pane[name] for name in ("requests", "errors", "streamed", "unknown_usage", "unpriced")} == {
        "requests": 4, "errors": 1, "streamed": 1, "unknown_usage": 1, "unpriced": 1,
    }  # fmt: skip
    assert (pane["refusal_checked"], pane["refusals"], pane["citation_checked"], pane["citations"]) == (1, 1, 1, 0)
    assert (pane["schema_checked"], pane["schema_valid"]) == (1, 1)
    assert (pane["input_tokens"], pane["output_tokens"], pane["cost_nusd"]) == (20, 9, "4500")
    assert (pane["latency_sum_ns"], pane["latency_sq"], pane["cost_sq"]) == ("26", str(9 + 25 + 49 + 121), str(4500**2))
    assert (pane["ttft_count"], pane["ttft_sum_ns"]) == (1, "1")
    (verdicts,) = rows_of(effects, "ledger")
    assert (verdicts["spans"], verdicts["counted"]) == (5, 5)
    assert state.windows.held()[0] == 0


def test_speed_is_counted_in_thousandths_of_tokens_per_second() -> None:
    """Four tokens in the two seconds after the first."""
    call = span(1, NOW, latency_ns=3 * S, ttft_ns=S, stream=True, output_tokens=4, cost_nusd=10**9)
    aggregate = stage()
    state, _ = aggregate.step(aggregate.open(SOURCE, None), [record(0, NOW, [call])], 0)
    (pane,) = rows_of(aggregate.close(state), "panes")
    assert pane | counted(latency=[3 * S], ttft=[S], tps=[2000], cost=[10**9]) == pane


def test_panes_count_calls_over_the_ladder_but_early_ones_do_not() -> None:
    """A cost nobody knows counts as 0, a first token nobody saw does not count."""
    calls = [span(1, NOW, latency_ns=3000), span(2, NOW, latency_ns=5000, cost_nusd=None), span(3, NOW, latency_ns=3001)]
    aggregate, early, late = stage(), [], []
    state = aggregate.open(SOURCE, None)
    for offset, when in ((0, NOW), (1, NOW + 200 * S)):
        state, effects = aggregate.step(state, [record(offset, when, calls if offset == 0 else [span(9, when)])], offset * 20 * S)
        (early if offset == 0 else late).extend(row for row in rows_of(effects, "panes") if row["window_start_ns"] <= NOW)
    assert [pane["firing"] for pane in (*early, *late)] == ["early", "on_time"]
    nothing = counted(latency=[], ttft=[], tps=[], cost=[])
    assert early[0] | nothing == early[0]
    costs = [int(call["cost_nusd"] or 0) for call in calls]
    assert late[0] | counted(latency=[3000, 3001, 5000], ttft=[], tps=[], cost=costs) == late[0]


def test_sums_of_the_largest_calls_are_exact() -> None:
    """20,000 calls of a week, of a million USD each and of as many tokens as a block may hold: beyond 2^63, and beyond 2^64."""
    week, n = 7 * 86400 * S, 20_000
    aggregate = stage()
    state = aggregate.open(SOURCE, None)
    for offset in range(4):
        each = range(offset * n // 4, (offset + 1) * n // 4)
        calls = [span(i, NOW, latency_ns=week, ttft_ns=week - 1, cost_nusd=10**15, input_tokens=1 << 32) for i in each]
        state, effects = aggregate.step(state, [record(offset, NOW, calls)], offset * 100 * S)
    pane = rows_of(effects, "panes")[-1]
    assert (pane["requests"], pane["input_tokens"]) == (n, n << 32)
    assert (pane["cost_nusd"], pane["cost_sq"]) == (str(n * 10**15), str(n * 10**30))
    assert (pane["latency_sum_ns"], pane["latency_sq"]) == (str(n * week), str(n * week**2))
    assert pane["ttft_sum_ns"] == str(n * (week - 1))


def test_100_000_routes_become_a_bounded_number_of_series() -> None:
    calls = [span(i, NOW, route=f"r{i}") for i in range(100_000)]
    aggregate = stage(max_series=500)
    state = aggregate.open(SOURCE, None)
    panes = []
    for at in range(0, len(calls), 5000):
        state, effects = aggregate.step(state, [record(at, NOW, calls[at : at + 5000])], 0)
        panes += rows_of(effects, "panes")
    panes = rows_of(aggregate.close(state), "panes")
    assert len(panes) == 501
    (other,) = (pane for pane in panes if pane["route"] == OVERFLOW)
    assert other["model"] == OVERFLOW
    assert other["requests"] == 100_000 - 500
    assert sum(pane["requests"] for pane in panes) == 100_000
    assert sum(pane["input_tokens"] for pane in panes) == 10 * 100_000


@pytest.mark.parametrize(
    "value",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"trace_id":["x"]}',
        block([span(1, NOW)]).replace(b'"latency_ns":[1000000]', b'"latency_ns":["a"]'),
        block([span(1, NOW)]).replace(b'"latency_ns":[1000000]', b'"latency_ns":[1,2]'),
        block([span(1, NOW)]).replace(b'"trace_id":["0', b'"trace_id":["z'),
        block([span(1, NOW)]).replace(b'"trace_id":["0', b'"trace_id":["'),
    ],
    ids=["empty", "cut", "list", "null", "not utf-8", "missing", "type", "ragged", "not hex", "short id"],
)  # fmt: skip
def test_a_malformed_block_is_a_dead_letter_and_the_next_one_counts(value: bytes) -> None:
    aggregate = stage()
    bad = Record(SOURCE, 0, NOW, value)
    state, effects = aggregate.step(aggregate.open(SOURCE, None), [bad, record(1, NOW, [span(1, NOW)])], 0)
    (letter,) = rows_of(effects, "dead")
    assert (letter["reason"], letter["offset"], letter["index"], letter["raw"]) == ("malformed_block", 0, -1, "")
    assert sum(pane["requests"] for pane in rows_of(effects, "panes")) == 1
    assert state.windows.position == 2


def test_every_slice_of_a_route_meets_in_one_partition() -> None:
    calls = [span(i, NOW, route=f"r{i % 7}", cohort=f"c{i % 3}", environment=f"e{i % 2}") for i in range(100)]
    aggregate = stage()
    _, effects = aggregate.step(aggregate.open(SOURCE, None), [record(0, NOW, calls)], 0)
    for message in effects.messages:
        if message.topic == "panes" and message.key is None:
            columns = orjson.loads(message.value)
            assert list(columns) == [column.name for column in PANES]
            for environment, route in zip(columns["environment"], columns["route"], strict=True):
                assert partition_of(route_key(environment, route), 4) == message.partition


def test_two_runs_over_the_same_log_give_the_same_bytes() -> None:
    log = [
        record(
            n,
            NOW + n * 20 * S,
            [span(100 * n + i, NOW + n * 20 * S - i * S, latency_ns=(i * 7919) % 1013 + 1) for i in range(90)],
        )
        for n in range(30)
    ]

    def run() -> list[Any]:
        aggregate, written = stage(), []
        state = aggregate.open(SOURCE, None)
        for i, entry in enumerate(log):
            state, effects = aggregate.step(state, [entry], i * 20 * S)
            written += [(m.topic, m.partition, m.value) for m in effects.messages]
        return written

    assert run() == run()


def test_progress_never_decreases_and_replay_is_silent() -> None:
    aggregate = stage()
    progress = Progress(committed=3, folded=9, watermark_ns=NOW)
    state = aggregate.open(SOURCE, progress)
    for offset in range(3, 9):
        state, effects = aggregate.step(state, [record(offset, NOW, [span(offset, NOW - S)])], offset * 60 * S)
        assert effects.progress is None or effects.progress.folded >= 9
        assert rows_of(effects, "ledger") == []
    state, effects = aggregate.step(state, [record(9, NOW, [span(9, NOW - S)])], 10**12)
    assert rows_of(effects, "ledger")[0]["offset"] == 9
    (pane,) = rows_of(effects, "panes")
    assert pane["requests"] == 7
    assert effects.progress is not None
    assert (effects.progress.committed, effects.progress.folded, effects.progress.watermark_ns) == (3, 10, NOW)


def test_what_is_not_said_is_zero_not_missing() -> None:
    aggregate = stage()
    silent = dict.fromkeys(TOKENS) | {"cost_nusd": None}
    _, effects = aggregate.step(aggregate.open(SOURCE, None), [record(0, NOW, [span(1, NOW, **silent)])], 0)
    (pane,) = rows_of(effects, "panes")
    assert [int(pane[name]) for name in (*TOKENS, "cost_nusd", "unknown_usage")] == [0] * 8 + [1]


@pytest.mark.parametrize("calls", [25, 300])
def test_no_message_outgrows_the_topic(calls: int) -> None:
    """2,000 series in six open windows that all become final at one idle jump."""
    aggregate = stage(max_series=2000)
    state = aggregate.open(SOURCE, None)
    sizes = []
    for window in range(6):
        end = NOW + window * 60 * S
        rows = [
            span(
                i * calls + j,
                end,
                cohort=f"c{i}",
                latency_ns=10**9 + i * 7919 + j * 104729,
                ttft_ns=10**8 + j,
                output_tokens=j + 1,
            )
            for i in range(2000 if calls < 100 else 200)
            for j in range(calls)
        ]
        for at in range(0, len(rows), 5000):
            state, effects = aggregate.step(state, [record(window * 1000 + at // 5000, end, rows[at : at + 5000])], 0)
            sizes += [len(message.value) for message in effects.messages]
    passed = [tick(9999 + i, NOW + at * S, {0: NOW + at * S}) for i, at in enumerate(range(10**4, 10**4 + 340, 20))]
    state, effects = aggregate.step(state, passed, 0)
    panes = [message for message in effects.messages if message.topic == "panes" and message.key is None]
    assert max(sizes + [len(message.value) for message in effects.messages]) <= 4 << 20
    finals = [row for row in rows_of(effects, "panes") if row["firing"] == "final"]
    assert len(finals) == 6 * (2000 if calls < 100 else 200)
    assert len(panes) > 1


@pytest.mark.parametrize(
    "change",
    [
        {"end_ns": 2**63},
        {"end_ns": -1},
        {"latency_ns": -5},
        {"latency_ns": 2**70},
        {"input_tokens": -1},
        {"input_tokens": 2**32 + 1},
        {"cost_nusd": 2**60},
    ],
    ids=str,
)
def test_a_number_out_of_bounds_makes_the_block_a_dead_letter(change: dict[str, int]) -> None:
    aggregate = stage()
    (name,) = change
    value = block([span(1, NOW)]).replace(f'"{name}":[{PLAIN_NUMBERS[name]}]'.encode(), f'"{name}":[{change[name]}]'.encode())
    assert str(change[name]).encode() in value
    _, effects = aggregate.step(aggregate.open(SOURCE, None), [Record(SOURCE, 0, NOW, value)], 0)
    assert rows_of(effects, "dead")[0]["reason"] == "malformed_block"


def test_a_deeply_nested_block_is_a_dead_letter() -> None:
    aggregate = stage()
    value = block([span(1, NOW)])[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    _, effects = aggregate.step(aggregate.open(SOURCE, None), [Record(SOURCE, 0, NOW, value)], 0)
    assert rows_of(effects, "dead")[0]["reason"] == "malformed_block"


PLAIN_NUMBERS = {"end_ns": NOW, "latency_ns": 1_000_000, "input_tokens": 10, "cost_nusd": 4500}


def test_rows_that_do_not_know_when_they_were_recorded_move_no_watermark() -> None:
    """Blocks written before there was the column: their host's clock may be wrong, and decode may have been away."""
    aggregate = stage()
    state = aggregate.open(SOURCE, None)
    rows = [span(1, NOW - 1800 * S), span(2, NOW - 900 * S)]
    state, _ = aggregate.step(state, [Record(SOURCE, 0, NOW, block(rows))], 0)
    state, effects = aggregate.step(state, [Record(SOURCE, 1, NOW, block([span(3, NOW - 1790 * S)]))], 0)
    assert rows_of(effects, "ledger")[0]["counted"] == 1
    assert state.windows.watermark_ns == BEGINNING


def test_a_partition_says_nothing_of_itself_while_it_is_folded_again() -> None:
    aggregate = stage()
    state = aggregate.open(SOURCE, Progress(committed=3, folded=5, watermark_ns=NOW))
    state, effects = aggregate.step(state, [record(3, NOW, [span(3, NOW)])], 10**12)
    assert rows_of(effects, "status") == []
    state, effects = aggregate.step(state, [record(4, NOW, [span(4, NOW)])], 10**12)
    assert {row["metric"]: row["value"] for row in rows_of(effects, "status")}["open_windows"] == 1
