"""Frontiers: which boundaries have passed, who says so, when, and where."""

from dataclasses import replace

import pytest

from pipeline.model.log_time import BEGINNING, END_OF_TIME, Era, WindowPolicy
from pipeline.model.stream import Effects, Record
from pipeline.operators.frontiers import FRONTIER_KEY, Frontier, encode_frontier, ended, final, read_frontier
from pipeline.stages.aggregate import Aggregate, Outputs
from pipeline.stages.scores import Outputs as ScoresOutputs
from pipeline.stages.scores import Scores
from tests.scores import SOURCE as SCORES_SOURCE
from tests.scores import record as scores_record
from tests.scores import score
from tests.spans import SOURCE, record, span, tick

S = 1_000_000_000
POLICY = WindowPolicy(60 * S, 300 * S, 10 * S, 300 * S, 100)
STAGE = Aggregate(POLICY, Outputs("panes", "ledger", "dead", "status", 3, spans_partitions=12), 10 * S, S)
SCORES = Scores(replace(POLICY, allowed_lateness_ns=0), ScoresOutputs("panes", "counted", "dead", "status", 2, 4), 10 * S, 0)
NOON = 1_795_003_200 * S


def said(effects: Effects, family: str = "calls") -> list[Frontier]:
    """What the first partition of panes is told; the others are told the same."""
    assert all(message.topic == "panes" and message.key == FRONTIER_KEY for message in effects.then)
    found = {p: [m.value for m in effects.then if m.partition == p] for p in {m.partition for m in effects.then}}
    assert len({tuple(values) for values in found.values()}) <= 1
    return [f for f in map(read_frontier, found.get(0, [])) if f.family == family]


def lines(effects: Effects, family: str = "calls") -> list[tuple[int, int]]:
    """On time and final, in seconds after noon."""
    return [((f.on_time_ns - NOON) // S, (f.final_ns - NOON) // S) for f in said(effects, family)]


def test_every_partition_of_panes_is_told_which_windows_have_passed() -> None:
    state = STAGE.open(SOURCE, None)
    _, effects = STAGE.step(state, [record(0, NOON + 75 * S, [span(1, NOON + 75 * S)])], 0)
    assert [m.partition for m in effects.then if read_frontier(m.value).family == "calls"] == [0, 1, 2]
    assert said(effects) == [
        Frontier(source=str(SOURCE), partitions=12, family="calls", on_time_ns=NOON + 60 * S, final_ns=NOON - 240 * S, revision=1)
    ]  # the watermark is 65 seconds past noon


def test_once_a_window_and_also_when_nothing_fired() -> None:
    state = STAGE.open(SOURCE, None)
    found = [
        lines(STAGE.step(state, [tick(n, NOON + at * S, {0: NOON + at * S})], 0)[1]) for n, at in enumerate((10, 40, 69, 70, 129))
    ]
    assert found == [[(0, -300)], [], [], [(60, -240)], []]


def test_windows_of_traces_are_whole_later() -> None:
    state = STAGE.open(SOURCE, None)
    ticks = [(at, tick(n, NOON + at * S, {0: NOON + at * S})) for n, at in enumerate(range(10, 140, 20))]
    found = {at: lines(STAGE.step(state, [one], 0)[1], "traces") for at, one in ticks}
    assert {at: line for at, line in found.items() if line} == {10: [(-60, -60)], 70: [(0, 0)], 130: [(60, 60)]}


def test_who_folds_again_says_nothing_until_something_is_new() -> None:
    log = [tick(n, NOON + n * 30 * S, {0: NOON + n * 30 * S}) for n in range(8)]
    state = STAGE.open(SOURCE, None)
    for one in log[:6]:
        state, effects = STAGE.step(state, [one], 10 * S * one.offset)
    assert effects.progress is not None
    again = STAGE.open(SOURCE, replace(effects.progress, committed=0, begin=None))
    assert [STAGE.step(again, [one], 0)[1].then for one in log[:6]] == [()] * 6
    assert lines(STAGE.step(again, log[6:7], 0)[1]) == [(120, -180)]


def test_a_log_nobody_wrote_to_says_nothing() -> None:
    state = STAGE.open(SOURCE, None)
    assert STAGE.step(state, [], 10**18)[1].then == ()
    assert STAGE.step(state, [Record(SOURCE, 0, NOON, b"{")], 10**18)[1].then == ()


def test_a_log_that_has_ended_has_passed_everything() -> None:
    state, _ = STAGE.step(STAGE.open(SOURCE, None), [record(0, NOON, [span(1, NOON)])], 0)
    effects = STAGE.close(state)
    for family in ("calls", "traces"):
        assert [(f.on_time_ns, f.final_ns) for f in said(effects, family)] == [(END_OF_TIME, END_OF_TIME)]


def test_scores_say_which_windows_are_final() -> None:
    state = SCORES.open(SCORES_SOURCE, None)
    log = [scores_record(n, NOON + at * S, [score(n)]) for n, at in enumerate((5, 59, 61, 62, 200))]
    found = [lines(SCORES.step(state, [one], 0)[1], "scores") for one in log]
    assert found == [[(0, 0)], [], [(60, 60)], [], [(180, 180)]]
    assert {f.partitions for f in said(SCORES.step(SCORES.open(SCORES_SOURCE, None), log, 0)[1], "scores")} == {4}


@pytest.mark.parametrize(
    ("watermark", "on_time", "all_final"),
    [(359, 300, 0), (900, 900, 600), (1199, 1140, 840), (1200, 1200, 1140), (1229, 1200, 1140), (1260, 1260, 1200)],
)
def test_each_window_is_final_by_the_lateness_of_its_era(watermark: int, on_time: int, all_final: int) -> None:
    """Windows of a minute with five minutes of lateness, from 900 s on with one."""
    eras = (Era(BEGINNING, POLICY), Era(900 * S, replace(POLICY, allowed_lateness_ns=60 * S), 5))
    assert ended(eras, watermark * S) == on_time * S
    assert final(eras, watermark * S) == all_final * S


def test_nothing_has_passed_before_the_beginning() -> None:
    assert (ended((Era(BEGINNING, POLICY),), BEGINNING), final((Era(BEGINNING, POLICY),), BEGINNING)) == (BEGINNING, BEGINNING)


def test_a_frontier_is_read_as_it_was_written() -> None:
    frontier = Frontier(source="spans:0:e", partitions=1, family="traces", on_time_ns=-5, final_ns=BEGINNING, revision=0)
    assert read_frontier(encode_frontier(frontier)) == frontier


OF_NO_SOURCE = Frontier(source="s", partitions=0, family="calls", on_time_ns=0, final_ns=0, revision=0)


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", encode_frontier(OF_NO_SOURCE)])
def test_anything_else_is_no_frontier(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_frontier(value)
