"""Objectives on quantiles: as shares beyond a rung of the ladder, told in the words and the unit of the metric."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.metrics import MEASURES
from pipeline.operators.ladder import BEYOND, EDGES, bins, histogram
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.quantiles import quantile
from pipeline.operators.watch.questions import burn_rates, objectives
from pipeline.operators.watch.sliding import Sliding
from pipeline.operators.watch.tails import Tail
from pipeline.operators.watch.thresholds import threshold
from pipeline.operators.watch.written import ROOMY, Written, written
from pipeline.stages import watch as watch_stage
from tests.panes import MINUTE_NS, NOON_NS
from tests.watched import SIGMA, Log, alerts, folded, on_time, readable, stage, timed

SLOW = """
name: slow
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
objectives:
  - {metric: latency.p95, at_most: 4s, window: 15m, severity: page}
"""

P95, P99 = 1.6448536, 2.3263479
MEDIAN = 4e9 / math.exp(SIGMA * P95)
"""With it the true p95 lies at the bound."""


def day(slower: float, median: float = 0.9 * MEDIAN, worse_from: int = 900, minutes: int = 1000, text: str = SLOW) -> Log:
    log = Log()
    log.contracts(slow=text)
    for minute, rows in enumerate(timed(1, minutes, worse_from, slower, median=median)):
        log.window(minute, rows)
    return log


@pytest.fixture(scope="module")
def worse() -> Log:
    return day(2.0)


def test_a_slower_cohort_is_named_with_its_quantile_and_the_share_beyond(worse: Log) -> None:
    told = alerts(folded(stage(), worse))
    assert ("firing", {"cohort": "pro"}) in [(one["state"], one["slice"]) for one in told]
    (one,) = [one for one in told if one["slice"]]
    assert (one["metric"], one["unit"], one["bound"], one["direction"]) == ("latency.p95", "ns", 4e9, "at_most")
    assert one["low"] is None or one["low"] < one["estimate"]  # of a window that is mostly of before
    assert one["high"] > one["estimate"] > 4e9
    assert one["log_e_value"] >= one["needed"]
    since = (one["at_ns"] - NOON_NS) // MINUTE_NS
    print(f"p95 twice as long: told after {since - 900} minutes, an hour of these is ten")
    assert 900 < since < 925
    assert "of calls took longer than 4s (between" in one["detail"]
    assert one["detail"].endswith("5% may")
    assert one["detail"] in one["text"]
    windows = list(timed(1, since, 900, 2.0, median=0.9 * MEDIAN))[-15:]
    mine = [row for rows in windows for row in rows if row["cohort"] == "pro"]
    seen = np.repeat(
        np.concatenate([row["latency_bins"] for row in mine]), np.concatenate([row["latency_bin_counts"] for row in mine])
    )
    assert one["n"] == len(seen)
    exact = np.sort(seen)[math.ceil(0.95 * len(seen)) - 1]
    assert EDGES[exact - 1] < one["estimate"] <= EDGES[exact]


@pytest.mark.parametrize("slower", [1.5, 2.0])
def test_a_p99_that_rises_is_told_soon(slower: float) -> None:
    median = 0.9 * 4e9 / math.exp(SIGMA * P99)
    told = alerts(folded(stage(), day(slower, median, minutes=1100, text=SLOW.replace("p95", "p99"))))
    since = [(one["at_ns"] - NOON_NS) // MINUTE_NS - 900 for one in told if one["slice"] == {"cohort": "pro"}]
    print(f"\np99 {slower} times as long: told after {since} minutes, an hour of these is ten")
    assert len(since) == 1
    assert 0 < since[0] < 180
    assert all(one["slice"] in ({"cohort": "pro"}, {}) for one in told)


def test_a_quantile_on_its_bound_is_not_told() -> None:
    assert alerts(folded(stage(), day(1.0, MEDIAN))) == []


def test_a_quantile_that_is_back_is_resolved_in_the_same_words() -> None:
    log = Log()
    log.contracts(slow=SLOW)
    median = 0.9 * MEDIAN
    for minute, rows in enumerate([*timed(1, 560, 500, 3.0, median=median), *timed(2, 300, 9999, 1.0, 560, median=median)]):
        log.window(minute, rows)
    told = [one for one in alerts(folded(stage(), log)) if one["slice"]]
    assert [one["state"] for one in told] == ["firing", "resolved"]
    assert told[1]["estimate"] <= 4e9
    assert "of calls took longer than 4s" in told[1]["text"]


def test_crashes_change_no_word_of_it(worse: Log) -> None:
    undisturbed = {one["id"]: one for one in alerts(folded(stage(), worse))}
    assert undisturbed
    for batch, crashes in ((50, (3, 20, 36, 37)), (7, (50, 140, 262, 263, 264)), (1000, (1,))):
        assert {one["id"]: one for one in alerts(folded(stage(), worse, batch, crashes))} == undisturbed


def test_a_snapshot_that_is_too_long_leaves_the_quantiles_out_not_the_evidence(
    worse: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = {one["id"]: one for one in alerts(folded(stage(), worse))}
    left_out = []

    def without(*known: Any) -> Written:
        found = written(*known[:5], room=ROOMY - 1)
        left_out.append({part for part, slices in found.left_out.items() if slices})
        return found

    monkeypatch.setattr(watch_stage, "written", without)
    again = {one["id"]: one for one in alerts(folded(stage(), worse, 7, range(2, 280)))}
    assert left_out[-1] == {"quantiles"}
    assert again.keys() == undisturbed.keys()
    for name in ("log_e_value", "n", "detail"):
        assert [one[name] for one in again.values()] == [undisturbed[key][name] for key in again]


def test_another_bound_is_another_question_the_same_one_goes_on() -> None:
    log = day(1.0, minutes=300)
    watch = stage()
    state, _ = watch.step(watch.open(log.records[0].source, None), log.records, 0)
    before = state.contracts["slow"][1].judged[0].spread.pairs.sum()
    assert before > 0
    for version, bound, same in ((2, "4s", True), (3, "4001ms", True), (4, "5s", False)):
        log.contracts(minute=300, slow=SLOW.replace("4s", bound).replace("version: 1", f"version: {version}"))
        state, _ = watch.step(state, log.records[-1:], version)
        (judged,) = state.contracts["slow"][1].judged
        assert bool(judged.spread.pairs.sum() == before) is same, bound


SPEED = SLOW.replace("latency.p95, at_most: 4s", "tokens_per_second.p50, at_least: 30 tokens/s")


def test_speed_is_to_be_high() -> None:
    def said(factor: float) -> list[dict[str, Any]]:
        log = Log()
        log.contracts(slow=SPEED)
        for minute, rows in enumerate(timed(1, 700, 600, factor, measure="tps", median=33_000)):
            log.window(minute, rows)
        return [one for one in alerts(folded(stage(), log)) if one["slice"]]

    assert said(1.0) == said(3.0) == []
    (one,) = said(0.5)
    assert one["low"] < one["estimate"] < one["high"]
    assert one["direction"] == "at_least"
    assert "of calls were slower than 30 tokens/s" in one["detail"]


def test_budgets_of_a_measure_burn() -> None:
    text = SLOW.partition("objectives")[0] + (
        "objectives:\n  - {metric: error.ratio, at_most: 90%}\n"
        "error_budgets:\n  - {of: latency, above: 4s, target: 95%, burn_rates: [{short: 5m, long: 1h, rate: 3}]}\n"
    )
    told = [one for one in alerts(folded(stage(), day(3.0, text=text))) if one["slice"]]
    assert [(one["kind"], one["state"], one["metric"], one["unit"]) for one in told] == [
        ("burn_rate", "firing", "latency", "times")
    ]
    assert "of calls took longer than 4s" in told[0]["detail"]
    assert told[0]["detail"].endswith("5% may")


def test_panes_without_counts_are_no_evidence() -> None:
    log = Log()
    log.contracts(slow=SLOW)
    for minute in range(100):
        row = on_time(minute, 100, 0, latency_sum_ns=str(10**13))
        log.window(minute, [row])
    assert alerts(folded(stage(), log)) == []


@given(st.sampled_from(sorted(MEASURES)), st.integers(1, 10**13), st.lists(st.integers(0, 10**14), max_size=50))
def test_no_good_value_is_counted_as_bad_and_a_bound_gives_one_percent_away(name: str, bound: int, values: list[int]) -> None:
    measure = MEASURES[name]
    found = threshold(measure, bound / measure.scale)
    assert found is not None
    near = [max(0, bound + d) for d in (-2, -1, 0, 1, 2)] + [int(bound * 0.98), int(bound * 1.02)]
    for value in values + near:
        counts = Counts.of([bins([value]).tolist()], [[1]])
        counted = bool(found.bad(counts).sums(1)[0])
        bad = value < bound if found.below else value > bound
        assert not (counted and not bad)
        if bad and not counted:
            assert bound < 101 or abs(value - bound) <= 0.01 * bound + 1


def test_a_bound_above_the_ladder_is_not_answered() -> None:
    contract = readable("slow", SLOW.replace("4s", "30h"))
    assert contract is not None
    assert objectives(contract) == burn_rates(contract) == ()


Rows = st.lists(st.dictionaries(st.integers(0, BEYOND), st.integers(1, 5), max_size=6), min_size=1, max_size=6)


@given(Rows, Rows, st.data())
def test_counts_of_rows_add_up_as_those_of_each(
    one: list[dict[int, int]], other: list[dict[int, int]], data: st.DataObject
) -> None:
    def of(rows: list[dict[int, int]]) -> Counts:
        return Counts.of([sorted(row) for row in rows], [[row[b] for b in sorted(row)] for row in rows])

    def plain(counts: Counts, rows: int) -> list[dict[int, float]]:
        found: list[dict[int, float]] = [{} for _ in range(rows)]
        for row, bin_, count in zip(counts.row, counts.bin, counts.count, strict=True):
            found[row][int(bin_)] = found[row].get(int(bin_), 0.0) + count
        return found

    rows = [*one, *other]
    both = Counts.together([of(one), of(other)], [len(one), len(other)])
    assert plain(both, len(rows)) == rows
    kept = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1))))
    assert plain(both.taken(np.array(kept, np.intp), len(rows)), len(kept)) == [rows[i] for i in kept]
    pairs = sorted(data.draw(st.sets(st.tuples(st.integers(0, len(rows) - 1), st.integers(0, 3)), max_size=12)))
    chosen, cells = (np.array([pair[i] for pair in pairs], np.intp) for i in (0, 1))
    expected: list[dict[int, float]] = [{} for _ in range(4)]
    for row, cell in pairs:
        for bin_, count in rows[row].items():
            expected[cell][bin_] = expected[cell].get(bin_, 0) + count
    assert plain(both.spread(chosen, cells, len(rows)), 4) == expected
    low = data.draw(st.integers(0, BEYOND))
    assert both.within(low, BEYOND).sums(len(rows)).tolist() == [sum(n for b, n in row.items() if b >= low) for row in rows]


@pytest.mark.parametrize(
    ("bins_", "counts"), [([[1]], [[1, 2]]), ([[1]], []), ([[BEYOND + 1]], [[1]]), ([[-1]], [[1]]), ([[1]], [[-1]])]
)
def test_what_is_no_ladder_is_refused(bins_: list[list[int]], counts: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"ladder|bins"):
        Counts.of(bins_, counts)


@given(st.lists(st.integers(10**9, 10**10), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_quantile_of_the_tail_is_that_of_all_values(values: list[int], q: float) -> None:
    found = threshold(MEASURES["latency"], 1e9)
    assert found is not None
    whole = histogram(values)
    told = quantile(found, (whole.bins, whole.counts.astype(float)), len(values), 1 - q, 1.0, 100.0)
    assert told.value == whole.quantile(q)
    assert told.low is None or told.low <= told.value
    assert told.high is None or told.high >= told.value


def test_a_tail_is_the_window_and_survives_being_written_down() -> None:
    ring, tail = Sliding.over(3 * MINUTE_NS), Tail()
    for minute in range(7):
        ring.move(minute)
        for cell in (0, 2):
            tail.add(
                ring, minute * MINUTE_NS, Counts(np.array([cell]), np.array([10 + minute], np.uint16), np.array([cell + 1.0]))
            )
    assert [list(map(float, part)) for part in tail.of(2)] == [[14, 15, 16], [3, 3, 3]]
    again = Tail()
    again.restore(json_like(tail.columns), np.array([False, True, True]))
    assert [part.tolist() for part in again.of(1)] == [part.tolist() for part in tail.of(2)]
    assert again.of(0)[0].tolist() == []


def json_like(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: np.array(json.loads(json.dumps(column.tolist()))) for name, column in columns.items()}
