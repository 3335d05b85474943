"""Laws of traces: the order, the blocks, the batches and the copies in which spans come before their trace is over change
nothing, late ones change nothing and are counted, no cost is lost, and a worker replaced anywhere finds the same.
"""

import os
import random
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.log_time import WindowPolicy
from pipeline.model.stream import Message, Record
from pipeline.stages.aggregate import Aggregate, Outputs
from tests.spans import SOURCE, record, span, tick

OUTPUTS = Outputs("panes", "ledger", "dead", "status", panes_partitions=2)
POLICY = WindowPolicy(
    *(60, 33, 3, 500),
    max_series=3,
    call_hold_ns=10,
    trace_settle_ns=20,
    trace_idle_ns=100,
    max_trace_spans=6,
)
"""Finality lies between moments, which come every five."""

RUNS = int(os.environ.get("TAILRACE_SIM_RUNS", "60")) // 6
BEGIN = 10_000
Row = dict[str, Any]
Log = list[Record]


def stage_of(policy: WindowPolicy) -> Aggregate:
    return Aggregate(policy, OUTPUTS, early_every_ns=10**9, progress_every_ns=0, finest_ns=1)


def rows_of(message: Message) -> list[Row]:
    columns = orjson.loads(message.value)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def told(messages: list[Message]) -> dict[str, dict[Any, Row]]:
    """What stands in the store in the end: by topic and identity the row of the largest revision, without revision."""
    found: dict[str, dict[Any, Row]] = {"panes": {}, "trace panes": {}, "traces": {}, "repeats": {}, "ledger": {}}
    keys = {
        "panes": ("window_start_ns", "route", "cohort", "model"),
        "trace panes": ("window_start_ns", "route", "cohort"),
        "traces": ("trace_id", "first_offset"),
        "repeats": ("trace_id", "span_id", "end_ns"),
        "ledger": ("offset",),
    }
    for message in messages:
        topic = message.topic if message.key is None else "trace panes"
        for row in rows_of(message) if topic in keys else []:
            row.pop("revision", None)
            found[topic][tuple(row[name] for name in keys[topic])] = row
    return found


def folded(log: Log, policy: WindowPolicy, cuts: random.Random | None = None) -> dict[str, dict[Any, Row]]:
    """The outcome of a log, fed in random batches."""
    stage, messages, at = stage_of(policy), list[Message](), 0
    state = stage.open(SOURCE, None)
    while at < len(log):
        size = cuts.randint(1, 6) if cuts else 1
        state, effects = stage.step(state, log[at : at + size], at)
        messages += effects.messages
        at += size
    return told(messages)


def replaced(log: Log, policy: WindowPolicy, crashes: list[int]) -> dict[str, dict[Any, Row]]:
    """The same with a worker that crashes before each of these positions, its progress written."""
    stage, messages, progress = stage_of(policy), list[Message](), None
    for begin, end in zip([0, *crashes], [*crashes, len(log)], strict=True):
        state = stage.open(SOURCE, progress)
        for entry in log[progress.committed if progress else 0 : end]:
            state, effects = stage.step(state, [entry], begin + entry.offset)
            messages += effects.messages
            progress = effects.progress or progress
    return told(messages)


def call(number: int, end_ns: int, trace: int, **said: Any) -> Row:
    """A call of a trace."""
    of = {"start_ns": end_ns - 1, "latency_ns": 1, "parent_span_id": "f" * 16, "response_id": f"answer {number}"}
    return span(number, end_ns, **of | {"trace_id": f"{trace:032x}"} | said)


def log_of(entries: list[tuple[int, list[Row]]], until: int = BEGIN + 700) -> Log:
    """A watermark, blocks by append time, a tick after each, and ticks that let everything become final."""
    log: Log = [tick(0, BEGIN, {0: BEGIN})]
    for append, rows in entries:
        log.append(record(len(log), append, rows))
        log.append(tick(len(log), append, {0: append}))
    last = max(append for append, _ in entries)
    for append in range(last, until, 15):
        log.append(tick(len(log), append, {0: append}))
    return log


def costs(found: dict[str, dict[Any, Row]]) -> tuple[int, int]:
    """What panes of calls say all calls cost, and what traces and calls outside them say."""
    calls = sum(int(row["cost_nusd"]) for row in found["panes"].values())
    traces = sum(row["cost_nusd"] for row in found["traces"].values())
    return calls, traces + sum(row["outside_nusd"] for row in found["ledger"].values())


def history(rng: random.Random, length: int = 120) -> Log:
    """Spans of a few traces at a time, some told twice, resent, late or ahead, in blocks appended at random times."""
    entries, sent, append, number = list[tuple[int, list[Row]]](), list[Row](), BEGIN, 0
    for _ in range(length):
        append += rng.choice([0, 1, 1, 2, 5, 5, 30])
        rows = []
        for _ in range(rng.randint(0, 4)):
            number += 1
            end, trace = append - rng.choice([0, 0, 1, 5, 40, -30]), (append + rng.randint(0, 60)) // 60
            names = {"route": rng.choice(["", "a", "b"]), "cohort": rng.choice(["", "", "c"])}
            usage = {"input_tokens": rng.randint(1, 9), "cost_nusd": rng.randint(1, 99)}
            if sent and rng.random() < 0.2:
                rows.append(rng.choice(sent[-20:]))
            elif sent and rng.random() < 0.2:
                other = rng.choice(sent[-9:])
                rows.append(other | {"span_id": f"{number:016x}", "scope_name": f"o{number}", "output_tokens": rng.randint(4, 6)})
            elif rng.random() < 0.1:
                rows.append(call(number, end, trace, kind="chain", parent_span_id="", cost_nusd=None, **names))
            else:
                rows.append(call(number, end, trace, **names, **usage))
        sent += rows
        entries.append((append, rows))
    return log_of(entries, append + 700)


@pytest.mark.parametrize("seed", range(RUNS))
def test_a_worker_replaced_anywhere_finds_the_same(seed: int) -> None:
    rng = random.Random(seed)
    log = history(rng)
    policy = replace(
        POLICY,
        call_hold_ns=rng.choice([0, 10]),
        trace_longest_ns=rng.choice([70, 10**6]),
        allowed_lateness_ns=rng.choice([33, 60, 121]),
    )
    plain = folded(log, policy)
    for crash in rng.sample(range(1, 240), 4):
        assert replaced(log, policy, [crash, crash + rng.randint(1, 9)]) == plain, crash
    calls, accounted = costs(plain)
    assert calls == accounted


spans = st.builds(
    lambda trace, back, answer, teller, names, tokens: (trace, back, answer, teller, names, tokens),
    st.integers(1, 3),
    st.integers(0, 9),
    st.integers(0, 4),
    st.sampled_from(["", "openai", "langchain", "litellm", "chain", "root"]),
    st.tuples(st.sampled_from(["", "", "a", "b"]), st.sampled_from(["", "", "c"])),
    st.integers(1, 2),
)


def row_of(number: int, shape: tuple[Any, ...], same_numbers: bool) -> Row:
    """A span, of a call that others may tell too: by its answer, or by nothing but tokens and time."""
    trace, back, answer, teller, (route, cohort), tokens = shape
    own = {"route": route, "cohort": cohort, "start_ns": BEGIN - 20 - back, "response_id": f"answer {answer}" if answer else ""}
    if teller in ("chain", "root"):
        above = "" if teller == "root" else "f" * 16
        return call(number, BEGIN - back, trace, kind="chain", cost_nusd=None, parent_span_id=above, **own)
    said = answer if same_numbers and answer else tokens
    return call(number, BEGIN - back, trace, scope_name=teller, input_tokens=said, cost_nusd=100 * said, **own)


def spread(rows: list[Row], rng: random.Random) -> Log:
    """The rows in any order, some of them again, over blocks at one and the same time."""
    rows = rng.sample(rows, len(rows)) + rng.sample(rows, rng.randint(0, len(rows)))
    entries, at = list[tuple[int, list[Row]]](), 0
    while at < len(rows):
        size = rng.randint(1, 5)
        entries.append((BEGIN, rows[at : at + size]))
        at += size
    return log_of(entries)


def content(found: dict[str, dict[Any, Row]]) -> Any:
    """What may not depend on where in the log spans stand: everything but offsets and the ledger's rows."""
    traces = sorted(({**row, "first_offset": 0} for row in found["traces"].values()), key=lambda row: row["trace_id"])
    sums = [sum(row[name] for row in found["ledger"].values()) for name in ("counted", "late_for_trace", "outside_nusd")]
    return [traces, found["panes"], found["trace panes"], found["repeats"], sums]


@given(st.lists(spans, min_size=1, max_size=14), st.booleans(), st.sampled_from([10, 25]), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_order_blocks_batches_and_copies_change_nothing(shapes: list[Any], same: bool, hold: int, seed: int) -> None:
    rng = random.Random(seed)
    policy = replace(POLICY, max_series=99, max_trace_spans=99, call_hold_ns=hold)
    rows = [row_of(i + 1, shape, same) for i, shape in enumerate(shapes)]
    plain = folded(log_of([(BEGIN, rows)]), policy)
    for _ in range(2):
        assert content(folded(spread(rows, rng), policy, rng)) == content(plain)
    calls, accounted = costs(plain)
    assert calls == accounted


told_again = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.integers(0, 2),
        st.sampled_from(["root", "chain", "call"]),
        *(st.sampled_from(["", "a", "b"]), st.sampled_from(["", "c", "d"])),
        *(st.sampled_from(["ok", "error"]), st.sampled_from([None, 1, 2])),
    ),
    min_size=2,
    max_size=6,
    unique_by=lambda shape: shape[:2],
)
"""Spans of one trace: id, window, what it is, route, cohort, outcome, first token. In one window an id comes once."""


@given(told_again, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_one_span_told_with_different_ends_is_told_apart_by_what_it_says(shapes: list[Any], seed: int) -> None:
    rows = []
    for number, window, what, route, cohort, status, ttft in shapes:
        above = {"parent_span_id": "" if what == "root" else "e" * 16, "kind": "llm" if what == "call" else "chain"}
        said = {"route": route, "cohort": cohort, "status": status, "ttft_ns": ttft, "response_id": "", "start_ns": BEGIN - 9}
        cost = {"cost_nusd": None} if what != "call" else {}
        rows.append(call(number, BEGIN + 60 * window, 1, **above, **said, **cost))
    policy = replace(POLICY, max_series=99, max_trace_spans=99)
    plain = content(folded(log_of([(BEGIN, rows)]), policy))
    rng = random.Random(seed)
    for _ in range(3):
        assert content(folded(spread(rows, rng), policy, rng)) == plain


@given(st.lists(spans, min_size=1, max_size=8), st.lists(spans, min_size=1, max_size=5), st.integers(200, 240))
@settings(max_examples=60, deadline=None)
def test_what_comes_after_the_end_changes_no_trace_and_is_counted(first: list[Any], late: list[Any], after: int) -> None:
    """Late for their trace, in time for their window."""
    policy = replace(POLICY, max_series=99, max_trace_spans=99)
    rows = [row_of(i + 1, shape, True) for i, shape in enumerate(first)]
    known = {row["trace_id"] for row in rows}
    more = [row_of(i + 100, shape, True) | {"end_ns": BEGIN + after} for i, shape in enumerate(late)]
    more = [row for row in more if row["trace_id"] in known]
    quiet = [(BEGIN + at, list[Row]()) for at in range(10, after, 10)]
    found, plain = (folded(log_of([(BEGIN, rows), *quiet, (BEGIN + after, then)]), policy) for then in (more, []))
    assert found["traces"] == plain["traces"]
    assert found["trace panes"] == plain["trace panes"]
    assert sum(row["late_for_trace"] for row in found["ledger"].values()) == len(more)
    calls, accounted = costs(found)
    assert calls == accounted


@pytest.mark.parametrize("numbers", [(7, 7), (7, 9), (9, 7)], ids=["equal numbers", "the first says less", "the first says more"])
def test_tellers_further_apart_than_the_hold_are_one_call_as_the_first_told_it(numbers: tuple[int, int]) -> None:
    """Who came first has counted. With equal numbers nothing differs but which span stands."""
    first, second = (
        call(i + 1, BEGIN, 1, response_id="one", scope_name=f"s{i}", cost_nusd=n, input_tokens=n) for i, n in enumerate(numbers)
    )
    apart = folded(log_of([(BEGIN, [first]), (BEGIN + 30, []), (BEGIN + 31, [second])]), POLICY)
    (trace,) = apart["traces"].values()
    assert (trace["calls"], trace["told_twice"], trace["input_tokens"]) == (1, 1, numbers[0])
    assert sum(row["requests"] for row in apart["panes"].values()) == 1
    assert costs(apart) == (numbers[0], numbers[0])
