"""The stage scores: which scores count and when, what fires, what is held, what bad blocks become."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from pipeline.connectors.progress_log import Entry, largest
from pipeline.model.log_time import WindowPolicy
from pipeline.model.score_columns import SCORE_COUNTS, SCORE_SQUARES, SCORE_SUMS
from pipeline.model.stream import Effects, Progress, Record, joined
from pipeline.operators.first_scores import MOST_SOURCES, SILENT_NS, FirstScores
from pipeline.operators.score_columns import MOST_WEIGHT, read_scores, weights
from pipeline.stages.scores import Outputs, Partition, Scores
from pipeline.topics import partition_of
from tests.scores import SOURCE, plain_measures, record, score, skipped

S = 1_000_000_000
POLICY = WindowPolicy(60 * S, 0, 0, 0, 3, *(0,) * 9)
STAGE = Scores(POLICY, Outputs("panes", "counted", "dead", "status", 2), 10 * S, 0)

Rows = list[dict[str, Any]]


def told(effects: Effects, topic: str) -> Rows:
    found = []
    for message in effects.messages:
        if message.topic == topic:
            block = orjson.loads(message.value)
            found += [dict(zip(block, row, strict=True)) for row in zip(*block.values(), strict=True)]
    return found


def step(batch: Sequence[Record], state: Partition | None = None, now_ns: int = 0, stage: Scores = STAGE) -> Effects:
    """Effects of one step, by a new owner unless there is a state."""
    return stage.step(state or stage.open(SOURCE, None), batch, now_ns)[1]


def test_early_while_it_goes_and_final_at_the_first_message_of_a_later_window() -> None:
    state = STAGE.open(SOURCE, None)
    early = step([record(0, 61 * S, [score(1)])], state, now_ns=100 * S)
    assert [(p["firing"], p["window_start_ns"], p["ok"]) for p in told(early, "panes")] == [("early", 60 * S, 1)]
    assert told(step([record(1, 62 * S, [score(2)])], state, now_ns=105 * S), "panes") == []
    both = step([record(2, 119 * S, [score(3)]), record(3, 120 * S, [score(4)])], state, now_ns=110 * S)
    found = [(p["firing"], p["window_start_ns"], p["ok"], p["revision"]) for p in told(both, "panes")]
    assert found == [("final", 60 * S, 3, 4), ("early", 120 * S, 1, 4)]


def test_an_old_trace_is_never_too_late() -> None:
    (row,) = told(step([record(0, 10**6 * S, [score(1, trace_ns=5)])]), "counted")
    assert (row["known_ns"], row["trace_ns"], row["source"], row["offset"]) == (10**6 * S, 5, str(SOURCE), 0)


def test_a_repeat_counts_in_neither_panes_nor_rows() -> None:
    other = [score(1, evaluator_version="2"), score(1, scorer="people"), score(1, evaluator="other")]
    effects = step([record(0, S, [score(1)]), record(1, 2 * S, [score(1, value=0.1)]), record(2, 3 * S, other)])
    assert [row["value"] for row in told(effects, "counted")] == [0.75] * 4
    assert sum(pane["ok"] for pane in told(effects, "panes")) == 4


def test_what_was_settled_is_known_without_being_remembered() -> None:
    first = FirstScores()
    assert first.is_first("s", 4, 0, ("a",), 7)
    assert first.held(9) == 7
    assert first.is_first("s", 5, 5, ("b",), 8)
    assert first.held(9) == 8
    assert not first.is_first("s", 4, 0, ("a",), 9)
    assert FirstScores(first.snapshot()).is_first("s", 5, 0, ("b",), 9), "it is read again"


def test_a_source_that_fell_silent_holds_nothing_for_ever() -> None:
    first = FirstScores()
    first.is_first("gone", 4, 0, ("a",), 7, S)
    first.passed(SILENT_NS)
    assert first.held(9) == 7
    first.passed(SILENT_NS + 2 * S)
    assert first.held(9) == 9
    assert not first.is_first("gone", 4, 0, ("a",), 9, SILENT_NS + 3 * S)
    assert first.is_first("gone", 5, 0, ("b",), 10, SILENT_NS + 3 * S)


def test_who_was_heard_just_now_is_not_forgotten_for_others() -> None:
    first = FirstScores()
    assert first.is_first("ours", 4, 0, ("a",), 1)
    for n in range(MOST_SOURCES - 1):
        first.is_first(f"foreign {n}", 0, 0, ("x",), 2 + n)
    first.is_first("ours", 5, 5, ("b",), 5000)
    first.is_first("one more", 0, 0, ("x",), 5001)
    assert not first.is_first("ours", 4, 0, ("a",), 5002), "it was settled"


def test_what_a_pane_adds_up() -> None:
    rows = [
        score(1, value=0.1, passed=False, inclusion_probability=0.02, control=0.3),
        score(2, value=1.0, control=None, incomplete=True, judge_model="m", judge_input_tokens=7, judge_output_tokens=3),
        score(3, value=0.333333, passed=None, inclusion_probability=0.3, judge_cost_nusd=2**61, judge_model="m"),
        skipped(4),
        skipped(5) | {"status": "over_budget", "control": None},
    ]
    (pane,) = told(step([record(0, S, rows)]), "panes")
    expected = dict.fromkeys((*SCORE_COUNTS, *SCORE_SUMS, *SCORE_SQUARES), 0)
    for row in rows:
        for name, number in plain_measures(row).items():
            expected[name] += number
    assert {name: int(pane[name]) for name in expected} == expected
    assert (pane["scores"], pane["ok"], pane["skipped"], pane["over_budget"], pane["fails"]) == (5, 3, 1, 1, 1)
    assert {pane[name] for name in ("weight", "judge_cost_nusd")} == {str(10_000 * 50 + 10_000 + 33_333), str(2**61)}


def test_the_rarest_scores_do_not_overflow() -> None:
    rare = [score(n, value=1.0, control=1.0, inclusion_probability=1e-300) for n in range(1000)]
    (pane,) = told(step([record(0, S, rare)]), "panes")
    assert int(pane["shifted_weight_sq"]) == 1000 * (2 * 10**6 * MOST_WEIGHT) ** 2
    assert weights([1e-6, 1e-9, 1.0]).tolist() == [MOST_WEIGHT, MOST_WEIGHT, 10_000]


def test_over_the_limit_is_other_in_every_part_of_the_series() -> None:
    rows = [score(n, cohort=f"c{n}") for n in range(5)]
    effects = step([record(0, S, rows)])
    assert [pane["cohort"] for pane in told(effects, "panes")].count("__other__") == 1
    (other,) = (pane for pane in told(effects, "panes") if pane["cohort"] == "__other__")
    assert (other["evaluator"], other["route"], other["ok"]) == ("__other__", "__other__", 2)
    assert [row["cohort"] for row in told(effects, "counted")] == [f"c{n}" for n in range(5)], "rows keep their own"


BAD = [
    score(1, value=None),
    score(1, value=1.5),
    score(1, value=-0.1),
    skipped(1) | {"value": 0.5},
    skipped(1) | {"passed": True},
    score(1, status="fine"),
    score(1, inclusion_probability=0.0),
    score(1, inclusion_probability=1.1),
    score(1, control=2.0),
    score(1, settled=-1),
    score(1, settled=2),
    score(1, judge_cost_nusd=-1),
    score(1, judge_input_tokens=2**40),
    score(1, source="s" * 301),
    score(1) | {"trace_id": "x"},
]


@pytest.mark.parametrize("row", BAD, ids=range(len(BAD)))
def test_a_block_that_cannot_be_is_a_dead_letter_and_time_goes_on(row: dict[str, Any]) -> None:
    state = STAGE.open(SOURCE, None)
    step([record(0, S, [score(9)])], state)
    effects = step([record(1, 61 * S, [score(8), row])], state, now_ns=S)
    (letter,) = told(effects, "dead")
    assert (letter["reason"], letter["offset"]) == ("malformed_block", 1)
    assert told(effects, "counted") == []
    assert [pane["firing"] for pane in told(effects, "panes")] == ["final"]


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b"[" * 10_000])
def test_garbage_is_no_block(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the decoder says of it
        read_scores(value)


def test_a_successor_tells_nothing_again_and_goes_on_from_there() -> None:
    log = [record(n, n * 20 * S, [score(n, settled=max(0, n - 2))]) for n in range(1, 9)]
    log = [replace(one, offset=n) for n, one in enumerate(log)]
    state = STAGE.open(SOURCE, None)
    before = step(log[:7], state)
    assert before.progress is not None
    known = before.progress
    assert known.committed <= 5
    after = step(log[known.committed :], STAGE.open(SOURCE, known), now_ns=20 * S)
    assert [row["offset"] for row in told(after, "counted")] == [7]
    (pane,) = told(after, "panes")
    assert (pane["ok"], pane["revision"], pane["firing"]) == (3, 8, "early")


def test_what_stood_at_committed_goes_with_committed() -> None:
    """Of two owners one folded further, the other holds less: a successor begins where the second does, with what it knew."""
    further = Progress(5, 100, 0, beside="further", stood="at 5")
    later = Progress(7, 90, 0, beside="later", stood="at 7")
    found = joined([further, later])
    assert found is not None
    assert (found.committed, found.folded, found.beside, found.stood) == (7, 100, "further", "at 7")
    entry = msgspec.json.encode(Entry(committed=7, folded=9, watermark_ns=0, generation=1, stood="at 7"))
    read = largest(SOURCE, [(f"{SOURCE}/1/w".encode(), entry)])
    assert read is not None
    assert read.stood == "at 7"


def test_panes_and_rows_go_to_the_partition_of_their_route() -> None:
    effects = step([record(0, S, [score(n, route=route) for n, route in enumerate(("chat", "r0", "r1"))])])
    panes = [message for message in effects.messages if message.topic == "panes"]
    assert {message.key for message in panes} == {b"scores"}
    placed = {(route, message.partition) for message in panes for route in orjson.loads(message.value)["route"]}
    assert placed == {(route, partition_of(f"prod/{route}", 2)) for route in ("chat", "r0", "r1")}
    assert len({place for _, place in placed}) == 2
    assert {message.partition for message in effects.messages if message.topic == "counted"} == {SOURCE.partition}
