"""Ticks and settings that nobody of ours wrote: whatever they say, the log goes on and what it holds stays bounded."""

from time import process_time

import msgspec
import orjson
import pytest

from pipeline.model.log_time import BEGINNING, MOST_SOURCES, WindowPolicy
from pipeline.model.stream import Effects, Record
from pipeline.operators.log_marks import SETTINGS_KEY, TICKS_KEY, encode_settings
from pipeline.stages.aggregate import Aggregate, Partition
from tests.spans import SOURCE, block, record, span, tick
from tests.unit.test_aggregate import NOW, S, rows_of, stage

HOUR = 3600 * S
MIB = 1 << 20
TICKS = {"topic": "otlp_spans", "epoch": "test", "partitions": 1, "partition": [0], "read_to_ns": [NOW]}
POLICY = WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, 2000)


def settings(**changes: int) -> bytes:
    said = orjson.loads(encode_settings(POLICY)) | {name: [value] for name, value in changes.items()}
    return msgspec.json.encode(said)


def after(aggregate: Aggregate, *log: Record, now_ns: int = 0) -> tuple[Partition, Effects]:
    """The log folded in one step."""
    return aggregate.step(aggregate.open(SOURCE, None), log, now_ns)


@pytest.mark.parametrize(
    "value",
    [
        b"", b"{", b"null", b"[" * 100_000, b"\xff", b'{"topic":' + b"[" * 5000,
        *(
            orjson.dumps(TICKS | changed)
            for changed in (
                {"partitions": 2**20 - 1}, {"partitions": MOST_SOURCES + 1},
                {"partition": [0] * 3}, {"partition": [MOST_SOURCES]}, {"topic": "x" * 250}, {"topic": "a:b"}, {"topic": ""},
                {"epoch": "x" * 41}, {"read_to_ns": [-1]},
            )
        ),
        orjson.dumps(TICKS).replace(str(NOW).encode(), b"1" + b"0" * 4000),
    ],
)  # fmt: skip
def test_ticks_that_cannot_be_are_a_dead_letter(value: bytes) -> None:
    state, effects = after(stage(), Record(SOURCE, 0, NOW, value, TICKS_KEY), record(1, NOW, [span(1, NOW)]))
    assert [letter["reason"] for letter in rows_of(effects, "dead")] == ["malformed_block"]
    assert [source for source, _ in state.windows.watermark.snapshot().sources] == ["otlp_spans:0:test"]


@pytest.mark.parametrize(
    "changes",
    [
        {"window_ns": 7}, {"window_ns": 0}, {"window_ns": 10**18}, {"window_ns": 1}, {"window_ns": 7 * S},
        {"window_ns": 2 * HOUR},
        {"window_ns": 2**62 - 1, "allowed_lateness_ns": 2**62 - 1}, {"allowed_lateness_ns": 10**18 + 1},
        {"max_ahead_ns": 10**18}, {"max_series": 0}, {"outage_ns": -1}, {"window_ns": 10**30},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_the_settings_would_refuse_change_nothing(changes: dict[str, int]) -> None:
    aggregate = stage()
    log = [Record(SOURCE, 0, NOW, settings(**changes), SETTINGS_KEY)]
    log += [record(i, NOW + i * HOUR, [span(i, NOW + i * HOUR - S)]) for i in range(1, 4)]
    state, effects = after(aggregate, *log)
    assert [letter["reason"] for letter in rows_of(effects, "dead")] == ["malformed_block"]
    assert [era.policy for era in state.windows.eras] == [aggregate.policy]
    assert sum(verdict["counted"] for verdict in rows_of(effects, "ledger")) == 3


def test_settings_of_somebody_else_are_asked_back() -> None:
    """Not once at the start alone: whatever stands in the log, the owner's settings come into force in the end."""
    aggregate = stage()
    state = aggregate.open(SOURCE, None)
    log = [record(0, NOW, [span(1, NOW)])]
    for minute in range(1, 30):
        at = NOW + minute * 60 * S
        if minute in {2, 9}:
            log.append(Record(SOURCE, len(log), at, settings(window_ns=1 * S, max_series=10**9), SETTINGS_KEY))
        log.append(record(len(log), at, [span(100 + minute, at)]))
        state, effects = aggregate.step(state, log[state.windows.position :], at)
        log += [Record(SOURCE, len(log), at, m.value, m.key) for m in effects.messages if m.key == SETTINGS_KEY]
    assert state.windows.eras[-1].policy == aggregate.policy
    assert len(log) < 30 + 2 + 4


def test_a_million_sources_cost_no_more_than_a_million_rows() -> None:
    """They are forgotten once they have held finality back for long; progress still fits its topic, and status its board."""
    aggregate = stage()
    state = aggregate.open(SOURCE, None)
    n, seconds = 20_000, 0.0
    for at in range(5):
        rows = [span(at * n + i, NOW - S, source=f"{'t' * 240}{at * n + i:06d}:0:{'e' * 22}") for i in range(n)]
        block_of_many = record(at, NOW, rows)
        began = process_time()
        state, effects = aggregate.step(state, [block_of_many], NOW)
        seconds += process_time() - began
    assert seconds < 10
    assert len(state.windows.watermark.snapshot().sources) == MOST_SOURCES
    assert effects.progress is not None
    assert len(msgspec.json.encode(effects.progress)) < MIB
    log = [tick(5 + i, NOW + i * 20 * S, {0: NOW + i * 20 * S}) for i in range(200)]
    state, effects = aggregate.step(state, log, NOW + HOUR)
    assert len(rows_of(effects, "status")) < 40
    state, effects = aggregate.step(state, [tick(300, NOW + 2 * HOUR, {0: NOW + 2 * HOUR})], NOW + HOUR)
    assert [source for source, _ in state.windows.watermark.snapshot().sources] == ["otlp_spans:0:test"]
    assert state.windows.watermark_ns > BEGINNING


def test_a_source_of_any_length_is_a_dead_letter() -> None:
    _, effects = after(stage(), Record(SOURCE, 0, NOW, block([span(1, NOW, source="x" * 10_000)])))
    assert rows_of(effects, "dead")[0]["reason"] == "malformed_block"


def test_a_block_under_a_key_counts_as_little_as_it_is_stored() -> None:
    state, effects = after(stage(), Record(SOURCE, 0, NOW, block([span(1, NOW)]), b"mine"))
    assert rows_of(effects, "dead")[0]["reason"] == "malformed_block"
    assert not state.windows.open


@pytest.mark.parametrize("epoch", ["jkrrT3zOTV+HywVutL5I1A", "SHS9BE7WRI/ucAviypEO_A", "0"])
def test_a_topic_id_as_the_client_spells_it_is_an_epoch(epoch: str) -> None:
    """Base64 with + and /: half of all ids have one."""
    state, effects = after(stage(), tick(0, NOW, {0: NOW}, epoch=epoch))
    assert rows_of(effects, "dead") == []
    assert state.windows.watermark_ns == NOW - 10 * S
