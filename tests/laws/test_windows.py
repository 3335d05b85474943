"""Laws of windows: how the log is cut into batches, when early firings come and where a worker is replaced change no
count, sum or verdict; the order of rows inside a block changes none either, and quantiles only within their error."""

import base64
import random
from typing import Any

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.columns import TOKENS
from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Message, Record
from pipeline.operators.digest import CHUNK, SeriesDigests
from pipeline.stages.aggregate import Aggregate, Outputs
from tests.spans import SOURCE, record, span, tick

OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=2)
POLICY = WindowPolicy(10, 20, 3, 50, max_series=3)

rows = st.builds(
    lambda number, back, route, tokens, latency: (number, back, f"r{route}", tokens, latency),
    st.integers(1, 40),
    st.integers(-60, 60),
    st.integers(0, 5),
    st.integers(0, 100),
    st.integers(1, 10**12),
)
logs = st.lists(st.tuples(st.integers(0, 8), st.lists(rows, max_size=6)), max_size=25)

Outcome = dict[Any, Any]


def log_of(shape: list[tuple[int, list[Any]]]) -> list[Record]:
    """A log from its shape, with ticks behind it that make everything final."""
    now, made = 1000, []
    for offset, (gap, spans) in enumerate(shape):
        now += gap
        made.append(
            record(
                offset,
                now,
                [
                    span(n, max(1, now - back), route=r, input_tokens=t, latency_ns=ns, start_ns=max(1, now - back) - 1)
                    for n, back, r, t, ns in spans
                ],
            )
        )
    return made + [tick(len(made) + k, now + 1000 * (k + 1), {0: now + 1000 * (k + 1)}) for k in range(2)]


def outcome(log: list[Record], cuts: random.Random | None, early: int = 10**9) -> tuple[Outcome, Outcome, Outcome]:
    """Final panes without digests, ledger, and digests after feeding the log in random batches."""
    stage = Aggregate(POLICY, OUTPUTS, early_every_ns=early, progress_every_ns=0, finest_ns=1)
    state, messages, at, now = stage.open(SOURCE, None), [], 0, 0
    while at < len(log):
        step = cuts.randint(1, 5) if cuts else 1
        now += 1
        state, effects = stage.step(state, log[at : at + step], now)
        messages += effects.messages
        at += step
    return read(messages)


def read(messages: list[Message]) -> tuple[Outcome, Outcome, Outcome]:
    panes: Outcome = {}
    ledger: Outcome = {}
    digests: Outcome = {}
    for message in messages:
        columns = orjson.loads(message.value)
        for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)):
            if message.topic == "panes" and message.key is None:
                key = (row["window_start_ns"], row["route"], row["model"])
                digests[key] = {n: row.pop(n) for n in list(row) if n.endswith("_digest")}
                panes[key] = row
            elif message.topic == "ledger":
                ledger[row["offset"]] = row
    return panes, ledger, digests


@given(logs, st.integers(0, 2**32), st.integers(1, 9))
@settings(max_examples=120, deadline=None)
def test_batching_and_early_firings_change_nothing(shape: list[Any], seed: int, early: int) -> None:
    log = log_of(shape)
    plain, cut = outcome(log, None), outcome(log, random.Random(seed), early)
    for panes in (plain[0], cut[0]):
        for row in panes.values():
            del row["revision"], row["firing"]
    assert cut == plain


@given(logs, st.integers(0, 2**32))
@settings(max_examples=120, deadline=None)
def test_order_inside_a_block_changes_no_count(shape: list[Any], seed: int) -> None:
    rng = random.Random(seed)
    shuffled = [(gap, rng.sample(spans, len(spans))) for gap, spans in shape]
    same_content = [(gap, sorted(spans)) for gap, spans in shape] == [(gap, sorted(spans)) for gap, spans in shuffled]
    assert same_content
    distinct = [(gap, list({row[0]: row for row in spans}.values())) for gap, spans in shape]
    reordered = [(gap, rng.sample(spans, len(spans))) for gap, spans in distinct]
    plain, other = outcome(log_of(distinct), None), outcome(log_of(reordered), None)
    assert other[1] == plain[1]
    few = len({row[2] for _, spans in distinct for row in spans}) <= POLICY.max_series
    if few:
        assert other[0] == plain[0]
    total = {name: sum(int(row[name]) for row in plain[0].values()) for name in ("requests", *TOKENS, "latency_sum_ns")}
    assert total == {name: sum(int(row[name]) for row in other[0].values()) for name in total}


@given(logs, st.data())
@settings(max_examples=120, deadline=None)
def test_a_worker_replaced_anywhere_changes_nothing(shape: list[Any], data: Any) -> None:
    """State is rebuilt from progress and the log at any point: panes by largest revision, verdicts by offset agree."""
    log = log_of(shape)
    crash = data.draw(st.integers(0, len(log)))
    stage = Aggregate(POLICY, OUTPUTS, early_every_ns=4, progress_every_ns=0, finest_ns=1)
    state, messages, progress = stage.open(SOURCE, None), [], None
    for i, entry in enumerate(log[:crash]):
        state, effects = stage.step(state, [entry], i)
        messages += effects.messages
        progress = effects.progress or progress
    state = stage.open(SOURCE, progress)
    for i, entry in enumerate(log[progress.committed if progress else 0 :]):
        state, effects = stage.step(state, [entry], 100 + i)
        messages += effects.messages
    plain, survived = outcome(log, None, early=4), read(messages)
    for panes in (plain[0], survived[0]):
        for row in panes.values():
            del row["revision"]
    assert survived == plain


@given(logs)
@settings(max_examples=100, deadline=None)
def test_every_row_has_one_verdict(shape: list[Any]) -> None:
    """Law (b): per span block, rows = counted + duplicate + too late + ahead of clock; panes hold what was counted."""
    log = log_of(shape)
    panes, ledger, _ = outcome(log, None)
    for offset, row in ledger.items():
        assert row["spans"] == len(shape[offset][1])
        assert row["spans"] == row["counted"] + row["duplicate"] + row["too_late"] + row["ahead_of_clock"]
    assert sum(row["requests"] for row in panes.values()) == sum(row["counted"] for row in ledger.values())


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(1, 1e12)), max_size=3 * CHUNK), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_a_digest_is_a_function_of_its_values_in_order(values: list[tuple[int, float]], seed: int) -> None:
    rng = random.Random(seed)
    series, numbers = (np.array([v[i] for v in values], d) for i, d in ((0, np.int64), (1, np.float64)))
    whole, cut = SeriesDigests(), SeriesDigests()
    whole.add(series, numbers)
    at = 0
    while at < len(values):
        step = rng.randint(1, 200)
        cut.add(series[at : at + step], numbers[at : at + step])
        cut.encode(rng.randint(0, 2))
        at += step
    for s in range(3):
        assert cut.encode(s) == whole.encode(s)
        state = base64.b64decode(whole.encode(s))
        count = np.count_nonzero(series == s)
        head = 1 if state[0] < 0x80 else 2
        pairs = np.frombuffer(state[head:], "<f4").reshape(-1, 2)
        assert pairs[:, 1].sum() == count
        assert len(pairs) <= 200
        if count <= 200:
            assert np.array_equal(np.sort(numbers[series == s]).astype("<f4"), np.repeat(pairs[:, 0], pairs[:, 1].astype(int)))
