"""Quantiles and means of a slice against the same hours before: by rungs that calls chose, told in the metric itself."""

import math
import re
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.app.checked import why
from pipeline.operators.ladder import EDGES, bins, histogram
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.measured_hours import MeasuredHours, Rungs
from pipeline.operators.watch.shape import OFFSETS, Shape, farther
from pipeline.operators.watch.standing import Verdict, not_judged
from tests.panes import MINUTE_NS, NOON_NS, counted
from tests.quality.test_measured_hours import Streams, asked
from tests.unit.test_check import folded as checked
from tests.unit.test_check import judged
from tests.watched import LOG, SIGMA, Log, alerts, folded, on_time, stage

CONTRACT = """
name: usual
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {baseline: same_hours_before, metrics: [latency.p95, latency.mean], limit: 10%, severity: page}
objectives:
  - {metric: error.ratio, at_most: 50%, window: 5m, severity: info}
"""
METRICS = {"latency.p95", "latency.mean"}
DAY = 240
"""Minutes; an hour of these is ten."""
PRO = {"cohort": "pro"}
BEGINS = 5 * DAY + 55
"""Between two hours, on the sixth day. The first day began at noon."""

Windows = list[list[dict[str, Any]]]


def days(
    minutes: int,
    slow: Collection[int] = (),
    times: float = 1.5,
    measure: str = "latency",
    median: float = 1e9,
    swing: float = 0.3,
) -> Iterator[list[dict]]:
    """Calls and how long they take swing over the day; in some minutes those of one cohort take so many times as long."""
    g = np.random.default_rng(5)
    for minute in range(minutes):
        wave = math.sin(2 * math.pi * minute / DAY)
        rows = []
        for cohort, per_minute in (("free", 120), ("pro", 60), ("team", 40)):
            factor = (1 + swing * wave) * (times if cohort == "pro" and minute in slow else 1.0)
            n = int(g.poisson(per_minute * (1 + 0.6 * wave)))
            values = (median * factor * np.exp(SIGMA * g.standard_normal(n))).astype(np.int64)
            sums = {"latency_sum_ns": str(int(values.sum()))} if measure == "latency" else {}
            rows.append(on_time(minute, n, 0, cohort=cohort, **counted(**{measure: values.tolist()}), **sums))
        yield rows


def log_of(windows: Iterator[list[dict]] | Windows, text: str = CONTRACT) -> Log:
    log = Log()
    log.contracts(usual=text)
    for minute, rows in enumerate(windows):
        log.window(minute, rows)
    return log


def said(windows: Iterator[list[dict]] | Windows, text: str = CONTRACT) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log_of(windows, text))) if one["slice"]]


def minute(one: dict[str, Any]) -> int:
    return int((one["at_ns"] - NOON_NS) // MINUTE_NS)


@pytest.fixture(scope="module")
def slow() -> Windows:
    return list(days(BEGINS + 200, range(BEGINS, 9999)))


@pytest.fixture(scope="module")
def told(slow: Windows) -> list[dict[str, Any]]:
    return said(slow)


def test_what_takes_longer_is_told_without_a_release(told: list[dict[str, Any]]) -> None:
    assert {(one["metric"], one["state"]) for one in told} == {(name, "firing") for name in METRICS}
    assert all(one["slice"] == PRO for one in told)
    minutes = {one["metric"]: minute(one) - BEGINS for one in told}
    print(f"\nhalf as long again, limit 10 %: told after minutes {minutes}, an hour of these is ten")
    for one in told:
        assert 0 < minutes[one["metric"]] < DAY / 4
        assert one["baseline"] == "same_hours_before"
        assert one["window_ns"] == 4 * DAY * MINUTE_NS, "of the days that were seen in whole the first one chose"
        assert one["log_e_value"] >= one["needed"]
        assert "the same hours of 16h before: " in one["text"]
        assert "other hours of the day have thresholds of their own" in one["detail"]


def test_a_quantile_is_told_as_it_was_and_as_it_is_at_that_hour(told: list[dict[str, Any]], slow: Windows) -> None:
    (one,) = [one for one in told if one["metric"] == "latency.p95"]
    base, bound = int(one["baseline_estimate"]), int(one["bound"])
    assert base in EDGES
    assert bound in EDGES
    assert 1.1 * base * (1 - 1e-5) <= bound <= 1.1 * base * 1.01
    wave = 1 + 0.3 * math.sin(2 * math.pi * minute(one) / DAY)
    assert base == pytest.approx(1e9 * wave * math.exp(SIGMA * 1.645), rel=0.2)
    assert bound < one["estimate"] == pytest.approx(1.5 * base, rel=0.15)
    shares = re.findall(r"([\d.]+)% of calls took longer than ([\d.]+)s", one["detail"])
    assert [float(at) for _, at in shares] == [pytest.approx(bound / 1e9, rel=0.01), pytest.approx(base / 1e9, rel=0.01)]
    assert 1.5 * float(shares[1][0]) < float(shares[0][0])


def test_a_mean_is_told_with_what_one_call_counts_at_most(told: list[dict[str, Any]]) -> None:
    (one,) = [one for one in told if one["metric"] == "latency.mean"]
    assert one["baseline_low"] < one["baseline_estimate"] < one["baseline_high"]
    assert one["bound"] == pytest.approx(1.1 * one["baseline_estimate"])
    assert one["bound"] < one["low"] < one["estimate"] < one["high"]
    assert "each of the calls counts as " in one["detail"]


@pytest.mark.parametrize("times", [0.6, 1.0, 1.09])
def test_what_a_limit_allows_is_not_told(times: float) -> None:
    """Calls at noon take nearly twice as long as at midnight, and by the mean of the day each noon is slower."""
    assert said(days(7 * DAY, range(BEGINS, 9999), times)) == []


def test_speed_is_to_be_high() -> None:
    text = CONTRACT.replace("latency.p95, latency.mean", "tokens_per_second.p50, tokens_per_second.mean")
    tps = {"measure": "tps", "median": 5e4}
    assert said(days(6 * DAY, range(BEGINS, 9999), 1.5, **tps), text) == []
    told = said(days(BEGINS + 60, range(BEGINS, 9999), 0.6, **tps), text)
    assert {one["metric"] for one in told} == {"tokens_per_second.p50", "tokens_per_second.mean"}
    for one in told:
        assert (one["slice"], one["direction"]) == (PRO, "at_least")
        assert one["estimate"] < one["bound"] <= 0.9 * one["baseline_estimate"] * (1 + 1e-5)
    (p50,) = [one for one in told if one["metric"] == "tokens_per_second.p50"]
    assert 0.55 < p50["estimate"] / p50["baseline_estimate"] < 0.8, "of calls before the change there are some too"


def test_an_alarm_ends_with_evidence_and_says_how_it_was() -> None:
    told = said(days(BEGINS + 300, range(BEGINS, BEGINS + 80), 2.0))
    assert [(one["metric"], one["state"]) for one in told if one["metric"] == "latency.p95"] == [
        ("latency.p95", "firing"),
        ("latency.p95", "resolved"),
    ]
    assert all(one["estimate"] is not None for one in told)


def test_crashes_and_a_zombie_change_no_word(slow: Windows) -> None:
    log = log_of(slow)
    undisturbed = {one["id"]: one for one in alerts(folded(stage(), log))}
    assert undisturbed
    watch = stage()
    for batch, crashes in ((50, (1, 3, 5, 8, 20, 50, 51, 52)), (7, (1, 2, 20, 40, 60, 350, 361, 362, 364))):
        assert {one["id"]: one for one in alerts(folded(watch, log, batch, crashes))} == undisturbed
    for half in (DAY, 2 * BEGINS + 15):  # while calls choose; between the change and the alarm
        state, effects = watch.step(watch.open(LOG, None), log.records[:half], 0)
        assert effects.progress is not None
        successor = watch.open(LOG, effects.progress)
        _, one = watch.step(successor, [r for r in log.records if r.offset >= effects.progress.committed], 1)
        _, other = watch.step(state, log.records[half:], 2)
        assert alerts(one.messages) == alerts(other.messages) == list(undisturbed.values())


def test_evidence_begins_anew_with_a_release_and_rungs_stay(slow: Windows, told: list[dict[str, Any]]) -> None:
    (first,) = [one for one in told if one["metric"] == "latency.p95"]
    begins = minute(first) - 3
    named = [[one | {"release": "2" if at >= begins else "1"} for one in window] for at, window in enumerate(slow)]
    (later,) = [one for one in said(named) if one["metric"] == "latency.p95"]
    assert minute(later) > minute(first), "what was found before the release is not counted against it"
    assert later["n"] < first["n"] + 1000


# When rungs are chosen.

P95 = CONTRACT.replace("latency.p95, latency.mean", "latency.p95")


def state_of(windows: Iterator[list[dict]] | Windows, text: str = P95) -> MeasuredHours:
    (state,) = checked(text, windows).watch.usual
    assert isinstance(state, MeasuredHours)
    return state


def of_cohorts() -> dict[str | None, int]:
    return {dict(one.values).get("cohort"): row for row, one in enumerate(checked(P95, days(3)).watch.slices.found)}


def test_an_hour_with_enough_calls_has_a_rung_of_its_own_and_others_share_one() -> None:
    state = state_of(days(DAY - 10))
    assert np.isnan(state.own.rung).all()
    assert (state.own.choosing == 1).all()
    state = state_of(days(DAY + 30))
    of = of_cohorts()
    rungs = {cohort: len(np.unique(state.own.rung[row])) for cohort, row in of.items() if not np.isnan(state.own.rung[row]).any()}
    assert rungs["free"] > 15
    assert rungs.get("team", 0) < rungs["free"]
    assert state.week.n[of["free"]].sum() > 0


def test_hours_without_calls_have_the_rung_of_the_hour_before() -> None:
    """The day begins at noon: calls come in its first nine hours and its last twelve."""
    windows = [[] if 90 <= at % DAY < 120 else rows for at, rows in enumerate(days(BEGINS + 100, range(BEGINS, 9999), 2.0))]
    state = state_of(windows[: DAY + 10])
    rung = state.own.rung[of_cohorts()["free"]]
    noon = NOON_NS // MINUTE_NS // 10 % 24
    night = (noon + np.array([8, 9, 10, 11, 12])) % 24
    assert not np.isnan(rung).any()
    assert len(set(rung[night[:4]])) == 1 != len(set(rung[night[3:]]))
    assert {dict(one.alert.slice).get("cohort") for one in judged(P95, windows).findings if one.verdict is Verdict.BROKEN} >= {
        "pro"
    }


def test_a_weekend_takes_no_rung_away() -> None:
    """Some calls are left over on Friday evening, and on Monday morning there are enough to choose."""
    own, friday = Rungs.empty(1), 18
    for hour in range(8, friday):
        own.n[:] = 600
        assert own.close_hour(hour, np.array([float(hour)]), 600).all()
    own.n[:] = 1
    for hour in range(friday, friday + 62):
        assert not own.close_hour(hour % 24, np.array([99.0]), 600).any()
    own.n[:] = 600
    assert own.close_hour(8, np.array([99.0]), 600).all()
    np.testing.assert_array_equal(own.chosen[0], [99] * 8 + list(range(8, friday)) + [99] * 6)


@pytest.mark.slow
def test_rungs_are_chosen_anew_when_what_is_usual_has_changed() -> None:
    """Twice as fast for days: nothing but a call of twice the old time would be told. After that the new rungs are asked."""
    faster = range(3 * DAY, 9999)
    before, later = (state_of(days(many * DAY + 30, faster, 0.4)) for many in (3, 11))
    row = of_cohorts()["pro"]
    ratio = EDGES[later.own.rung[row].astype(int)] / EDGES[before.own.rung[row].astype(int)]
    assert np.median(ratio) == pytest.approx(0.4, rel=0.1)
    row = of_cohorts()["free"]
    np.testing.assert_array_equal(later.own.rung[row], before.own.rung[row])


@pytest.mark.slow
def test_what_lasts_is_what_is_usual() -> None:
    told = said(days(BEGINS + 7 * DAY + 40, range(BEGINS, 9999), 1.5), P95)
    assert [one["state"] for one in told] == ["firing", "resolved"]
    assert "it lasted for a week, so it is what is usual now" in told[1]["text"]


def test_rungs_that_were_chosen_while_an_alarm_lasted_are_not_chosen_again() -> None:
    state, streams, one, route = asked("latency.p95", 0.1), Streams(1, 0.5, 1), np.ones(1), np.zeros(1, np.intp)
    state.grow(1)
    worse, over = 4 * 24, False
    for hour in range(worse + 8 * 24):
        state.count(hour % 24, *streams.counts(1500, hour, 2.0 if hour >= worse else 1.0))
        look = state.look(one, route)
        state.latch(look, state.excess(look), state.excess(look.as_evidence()), hour + 1)
        if hour == worse + 48:
            assert state.alarms.firing[0]
            state.own.choose(np.ones(1, np.bool_))
        if state.close_hour(hour, route)[0]:
            over = True
            break
    assert over
    assert state.lasted[0]
    assert state.own.choosing[0] == 0, "they took over"
    assert not np.isnan(state.own.rung).any()


# What check says.


def test_check_judges_it_and_says_what_chooses() -> None:
    fold = checked(CONTRACT, days(3))
    assert list(not_judged(fold.watch.contract, fold.watch)) == []
    early = [one for one in judged(CONTRACT, days(15)).findings if one.alert.baseline]
    assert {one.verdict for one in early} == {Verdict.TOO_FEW}
    said = {(one.alert.metric, dict(one.alert.slice).get("cohort")): why(one) for one in early}
    assert "of the 600 that choose a threshold for their hours of the day" in said["latency.p95", "pro"]
    assert "of the 2,000 that choose" in said["latency.mean", "pro"]
    whole = [one for one in judged(CONTRACT, days(6 * DAY)).findings if one.alert.baseline]
    assert {one.verdict for one in whole} <= {Verdict.KEPT, Verdict.CROSSED}
    assert all("the same hours of" in why(one) for one in whole)
    broken = judged(CONTRACT, days(BEGINS + 100, range(BEGINS, 9999), 2.0))
    assert {dict(one.alert.slice).get("cohort") for one in broken.findings if one.verdict is Verdict.BROKEN} >= {"pro"}


# How a quantile lies now.


@pytest.mark.parametrize("below", [False, True])
def test_counts_beyond_rungs_tell_how_much_farther_a_quantile_lies(below: bool) -> None:
    g, shape, at = np.random.default_rng(2), Shape.empty(2), np.array([1500.0, np.nan])
    before, now = (1e9 * slower * np.exp(SIGMA * g.standard_normal(40_000)) for slower in (1.0, 0.7 if below else 1.4))
    found = histogram(now.astype(np.int64))
    for cell in (0, 1):
        shape.add(Counts(np.full(len(found.bins), cell), found.bins, found.counts.astype(float)), at, below)
    assert not shape.opened[1].any()
    of = bins(now.astype(np.int64)).astype(int)
    beyond = [((of <= 1500 - o) if below else (of > 1500 + o)).sum() for o in OFFSETS]
    np.testing.assert_array_equal(shape.opened[0], beyond)
    lay = bins(before.astype(np.int64)).astype(int)
    share = ((lay <= 1500) if below else (lay > 1500)).mean()
    steps = math.log(1 / 0.7 if below else 1.4) / math.log(1.02) * 2
    assert farther(shape.since(np.array([True, True]))[0], len(now), share) == pytest.approx(steps, abs=4)
