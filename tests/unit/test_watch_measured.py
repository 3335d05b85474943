"""Quantiles and means of a release against the one before: by rungs that its first calls chose, told in the metric itself."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.app.checked import row, why
from pipeline.model.alerts import AlertKind
from pipeline.model.contracts import Limit
from pipeline.model.metrics import METRICS, Better, Kind
from pipeline.operators.ladder import BEYOND, EDGES, bins, histogram
from pipeline.operators.watch.choices import choice
from pipeline.operators.watch.early import Early
from pipeline.operators.watch.ladders import Counts
from pipeline.operators.watch.standing import Verdict, not_judged, standing
from tests.panes import MINUTE_NS, NOON_NS
from tests.unit.test_check import folded as checked
from tests.watched import LOG, Log, alerts, folded, stage, timed

LATENCY = """
name: measured
version: 1
owner: us
environment: prod
routes: chat
slices: [cohort]
regression: {metrics: [latency.p95, latency.mean], limit: 10%, severity: page}
objectives:
  - {metric: error.ratio, at_most: 50%, window: 5m, severity: info}
"""
BEFORE = 700
PRO = {"cohort": "pro"}

Windows = list[list[dict[str, Any]]]


def windows(slower: float, after: int = 300, **changes: Any) -> Windows:
    """Release 2 begins after so many minutes, and cohort pro with it."""
    made = timed(7, BEFORE + after, BEFORE, slower, **changes)
    return [[one | {"release": "2" if minute >= BEFORE else "1"} for one in rows] for minute, rows in enumerate(made)]


def log_of(rows: Windows, text: str = LATENCY) -> Log:
    log = Log()
    log.contracts(measured=text)
    for minute, window in enumerate(rows):
        log.window(minute, window)
    return log


def said(rows: Windows, text: str = LATENCY) -> list[dict[str, Any]]:
    return [one for one in alerts(folded(stage(), log_of(rows, text))) if one["slice"]]


def after(one: dict[str, Any]) -> int:
    """Minutes since the release."""
    return int((one["at_ns"] - NOON_NS) // MINUTE_NS - BEFORE)


@pytest.fixture(scope="module")
def slower() -> Windows:
    return windows(1.5)


@pytest.mark.parametrize("factor", [1.2, 1.5, 2.0])
def test_a_cohort_that_is_slower_with_a_release_is_told_soon(factor: float) -> None:
    told = said(windows(factor))
    assert {(one["metric"], one["state"], one["slice"]["cohort"]) for one in told} == {
        ("latency.p95", "firing", "pro"),
        ("latency.mean", "firing", "pro"),
    }
    minutes = {one["metric"]: after(one) for one in told}
    print(f"\n{factor} times as slow with a release, limit 10 %: told after minutes {minutes}, an hour of these is ten")
    assert max(minutes.values()) < (30 if factor > 1.4 else 200)


def test_a_quantile_is_told_with_shares_that_are_exact(slower: Windows) -> None:
    (one,) = [one for one in said(slower) if one["metric"] == "latency.p95"]
    assert (one["unit"], one["direction"], one["release"], one["previous_release"]) == ("ns", "at_most", "2", "1")
    base, bound = int(one["baseline_estimate"]), int(one["bound"])
    assert base in EDGES
    assert bound in EDGES
    assert 1.1 * base * (1 - 1e-5) <= bound <= 1.1 * base * 1.01
    assert one["estimate"] > bound
    assert one["log_e_value"] >= one["needed"]
    mine = [r for rows in slower[BEFORE : BEFORE + after(one)] for r in rows if r["cohort"] == "pro"]
    rung = int(np.searchsorted(EDGES, bound))
    seen = np.repeat(np.concatenate([r["latency_bins"] for r in mine]), np.concatenate([r["latency_bin_counts"] for r in mine]))
    assert one["n"] == len(seen)
    share = float((seen > rung).mean())
    assert one["detail"].startswith(f"{float(f'{share * 100:.3g}'):g}% of calls took longer than ")
    assert "; before 5." in one["detail"]
    assert one["detail"] in one["text"]


def test_a_mean_is_told_with_what_one_call_counts_at_most(slower: Windows) -> None:
    (one,) = [one for one in said(slower) if one["metric"] == "latency.mean"]
    assert one["baseline_low"] < one["baseline_estimate"] < one["baseline_high"]
    assert one["bound"] == pytest.approx(1.1 * one["baseline_estimate"])
    assert one["bound"] < one["low"] < one["estimate"] < one["high"]
    assert "each of the calls counts as 6." in one["detail"]


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.1])
def test_what_a_limit_allows_is_not_told(factor: float) -> None:
    assert said(windows(factor)) == []


def test_crashes_and_a_zombie_change_no_word(slower: Windows) -> None:
    log = log_of(slower)
    undisturbed = {one["id"]: one for one in alerts(folded(stage(), log))}
    assert undisturbed
    watch = stage()
    for batch, crashes in ((50, (1, 3, 20, 28, 29)), (7, (1, 2, 50, 200, 201, 202, 203, 230)), (1000, (1,))):
        assert {one["id"]: one for one in alerts(folded(watch, log, batch, crashes))} == undisturbed
    half = 2 * BEFORE + 3  # in the minutes in which the new release chooses
    state, effects = watch.step(watch.open(LOG, None), log.records[:half], 0)
    assert effects.progress is not None
    successor = watch.open(LOG, effects.progress)
    _, one = watch.step(successor, [r for r in log.records if r.offset >= effects.progress.committed], 1)
    _, other = watch.step(state, log.records[half:], 2)
    assert alerts(one.messages) == alerts(other.messages) == list(undisturbed.values())


SPEED = LATENCY.replace("latency.p95, latency.mean", "tokens_per_second.p50, tokens_per_second.mean")


def test_speed_is_to_be_high() -> None:
    assert said(windows(1.0, measure="tps", median=5e4), SPEED) == said(windows(2.0, measure="tps", median=5e4), SPEED) == []
    told = said(windows(0.6, measure="tps", median=5e4), SPEED)
    assert {one["metric"] for one in told} == {"tokens_per_second.p50", "tokens_per_second.mean"}
    for one in told:
        assert (one["slice"], one["direction"]) == (PRO, "at_least")
        assert one["estimate"] < one["bound"] <= 0.9 * one["baseline_estimate"] * (1 + 1e-5)
    (p50,) = [one for one in told if one["metric"] == "tokens_per_second.p50"]
    assert p50["baseline_estimate"] == pytest.approx(50, rel=0.1)
    assert "of calls were slower than" in p50["detail"]


COST = LATENCY.replace("latency.p95, latency.mean", "cost_per_call.mean, cost_per_call.p95")


def test_calls_without_a_price_are_not_cheap() -> None:
    """Half of them have none before, and none has none after: nothing became dearer."""
    rows = windows(1.0, measure="cost", median=1e6)
    for one in (r for window in rows[:BEFORE] for r in window):
        n = one["requests"]
        one["cost_bins"], one["cost_bin_counts"] = [0, *one["cost_bins"]], [n, *one["cost_bin_counts"]]
        one |= {"requests": 2 * n, "unpriced": n // 2, "unknown_usage": n - n // 2}
    assert said(rows, COST) == []
    dearer = windows(1.5, measure="cost", median=1e6)
    assert {(one["metric"], str(one["slice"])) for one in said([*rows[:BEFORE], *dearer[BEFORE:]], COST)} == {
        (metric, str(PRO)) for metric in ("cost_per_call.mean", "cost_per_call.p95")
    }


def test_an_alarm_ends_with_evidence_and_with_the_next_release() -> None:
    back = timed(8, 400, 9999, 1.0, begin=BEFORE + 100)
    rows = [*windows(2.0, 100), *([one | {"release": "2"} for one in window] for window in back)]
    states = [(one["state"], one["release"]) for one in said(rows) if one["metric"] == "latency.p95"]
    assert states == [("firing", "2"), ("resolved", "2")]
    rows = [
        *windows(2.0, 100),
        *([one | {"release": "3"} for one in window] for window in timed(8, 5, 0, 2.0, begin=BEFORE + 100)),
    ]
    ended = [one for one in said(rows) if one["state"] == "resolved"]
    assert {(one["metric"], one["release"], after(one)) for one in ended} == {
        ("latency.p95", "2", 101),
        ("latency.mean", "2", 101),
    }


# What check says.


def test_a_release_that_was_too_short_to_choose_leaves_no_baseline_and_check_says_so() -> None:
    rows = [*windows(1.0, 3), *([one | {"release": "3"} for one in w] for w in timed(9, 200, 0, 3.0, begin=BEFORE + 3))]
    found = standing([(checked(LATENCY, rows), {AlertKind.REGRESSION})], 100)
    assert {one.verdict for one in found.findings} == {Verdict.TOO_FEW}
    said = {(one.alert.metric, dict(one.alert.slice).get("cohort")): why(one) for one in found.findings}
    assert "no baseline: release 2 had 2" in said["latency.p95", "pro"]
    assert "of the 600 that choose what the next release is held against" in said["latency.p95", "pro"]
    assert "of the 2,000 that choose" in said["latency.mean", "pro"]
    assert all(not one.missing for one in found.findings), "no further call of this release gives it a baseline"


def test_the_contract_of_the_demo_is_judged_whole_and_breaks_where_one_slice_doubles() -> None:
    """As its release 2.4.0 does: one cohort of one language takes twice as long."""
    text = Path("contracts/demo.yaml").read_text()
    g, made = np.random.default_rng(3), []
    for minute in range(260):
        rows = []
        for cohort in ("enterprise", "pro"):
            for language in ("de", "en"):
                slow = minute >= 200 and (cohort, language) == ("enterprise", "de")
                values = (1e9 * (2 if slow else 1) * np.exp(0.8 * g.standard_normal(int(g.poisson(60))))).astype(np.int64)
                rows.append(
                    _call(minute, values, cohort=cohort, language=language, release="2.4.0" if minute >= 200 else "2.3.0")
                )
        made.append(rows)
    fold = checked(text, made)
    assert list(not_judged(fold.watch.contract, fold.watch)) == []
    found = standing([(fold, set(AlertKind))], 100)
    broken = [one for one in found.findings if one.verdict is Verdict.BROKEN]
    assert broken
    assert {one.alert.rule for one in broken} == {"regression latency.p95"}
    assert dict(broken[0].alert.slice) == {"cohort": "enterprise", "language": "de"}
    assert all(dict(one.alert.slice).items() <= {"cohort": "enterprise", "language": "de"}.items() for one in broken)
    assert found.exit_code(strict=False) == 1
    assert "of calls took longer than" in row(broken[0])[-1]


def _call(minute: int, values: np.ndarray, **names: str) -> dict[str, Any]:
    from tests.panes import counted  # noqa: PLC0415
    from tests.watched import on_time  # noqa: PLC0415

    total = {"latency_sum_ns": str(int(values.sum()))}
    return on_time(
        minute, len(values), 0, **counted(latency=values.tolist()), **total, environment="demo", route="support", **names
    )


# Rungs.

COMPARED = sorted(name for name, one in METRICS.items() if one.measure is not None and one.kind in (Kind.QUANTILE, Kind.MEAN))
Values = st.lists(st.integers(0, 10**14), min_size=1, max_size=40)


def _counts(values: list[int]) -> Counts:
    whole = histogram(values)
    return Counts.of([whole.bins.tolist()], [whole.counts.tolist()])


@given(st.sampled_from(COMPARED), st.integers(-1, BEYOND), st.floats(0.001, 0.9), Values, Values)
def test_nothing_that_the_limit_allows_is_counted_against_a_release(
    name: str, rung: int, worse: float, before: list[int], now: list[int]
) -> None:
    chosen = choice(Limit(METRICS[name], worse))
    assert chosen is not None
    at = np.array([float(max(rung, 0) if chosen.is_mean else rung)])
    then, held = (float(one[0]) for one in (chosen.before(_counts(before), at), chosen.now(_counts(now), chosen.limits(at))))
    edge = int(EDGES[min(max(rung, 0), BEYOND - 1)])
    is_high = METRICS[name].better is Better.HIGH
    if chosen.is_mean:
        true_then, true_now = (sum(min(value, edge) for value in of) / chosen.scale for of in (before, now))
        assert then <= true_then * (1 + 1e-9) if is_high else then >= true_then * (1 - 1e-9)
        assert held >= true_now * (1 - 1e-9) if is_high else held <= true_now * (1 + 1e-9)
        return
    if not 0 <= rung < BEYOND:
        return
    far = [v for v in now if (v <= edge * (1 - worse) * (1 + 2e-6) if is_high else v > edge * (1 + worse) * (1 - 2e-6))]
    assert then == sum(v <= edge if is_high else v > edge for v in before)
    assert held <= len(far)


def test_a_limit_of_two_percent_is_two_rungs() -> None:
    at = np.arange(1000.0, BEYOND - 2)
    for name, steps in (("latency.p95", 2), ("tokens_per_second.p50", -2)):
        chosen = choice(Limit(METRICS[name], 0.02 if steps > 0 else 1 - 1 / 1.02))
        assert chosen is not None
        np.testing.assert_array_equal(chosen.limits(at), at + steps)


@given(
    st.lists(st.lists(st.integers(1, 10**6), min_size=1, max_size=30), min_size=1, max_size=5),
    st.sampled_from([0.01, 0.05, 0.25, 0.5]),
    st.booleans(),
)
def test_the_rung_is_what_no_more_than_the_share_lies_beyond_however_the_calls_came(
    parts: list[list[int]], tail: float, from_below: bool
) -> None:
    early, other = Early.empty(), [10**9] * 7
    for part in parts:
        for cell, of in ((0, other), (2, part)):
            found = histogram(of)
            counts = Counts(np.full(len(found.bins), cell), found.bins, found.counts.astype(float))
            most = np.full(4, 2 * tail * max(sum(map(len, parts)), 1) + 1)
            early.add(counts, np.array([True, False, True, False]), from_below, most)
    again = Early.empty()
    again.restore(early.columns, np.array([False, True, True]))
    values = [value for part in parts for value in part]
    rank = tail * len(values)
    for state, cell in ((early, 2), (again, 1)):
        (rung,) = state.rungs(np.full(cell + 1, rank), from_below)[[cell]]
        beyond = (
            (lambda r: sum(int(b) <= r for b in bins(values)))
            if from_below
            else (lambda r: sum(int(b) > r for b in bins(values)))
        )
        assert beyond(rung) <= rank
        assert beyond(rung + 1 if from_below else rung - 1) > rank
    assert math.isnan(early.rungs(np.zeros(4), from_below)[3])
